"""What rules remember: bits of flows and address pairs, counters of thresholds. Everything is bounded.

A clock that is set back makes no time longer than twice what its rule says.
"""

from collections import OrderedDict
from collections.abc import Sequence
from enum import Enum, auto
from typing import Generic, TypeVar

from omamori.firmware.engine.inspection import FlowFacts, Inspection
from omamori.firmware.engine.ips.numbers import compare
from omamori.firmware.engine.ips.rule import BitOp, Comparison, FlowBits, FlowInt, Operator, StateOp, XBits
from omamori.firmware.engine.ips.thresholds import DetectionFilter, Threshold, ThresholdKind, Track

_ENTRIES = 65_536
"""Of each memory; the oldest is forgotten first."""
_FLOW_BITS = 256
"""For one flow."""
V = TypeVar("V")


class Bounded(Generic[V]):
    """A dictionary that forgets the oldest. It has one rather than is one: a compiled class cannot be an OrderedDict (decision 22)."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: OrderedDict[object, V] = OrderedDict()

    def get(self, key: object) -> V | None:
        return self._known.get(key)

    def keep(self, key: object, value: V) -> None:
        if key not in self._known and len(self._known) >= _ENTRIES:
            self._known.popitem(last=False)
        self._known[key] = value

    def forget(self, key: object) -> None:
        self._known.pop(key, None)


class Said(Enum):
    """What a threshold says about a match."""

    TELL = auto()
    ACT = auto()
    """Act on it, but do not tell."""
    NOTHING = auto()
    """As if there were no match."""


def ends(inspection: Inspection) -> tuple[bytes, bytes]:
    """Sender and receiver of the data."""
    flow = inspection.flow
    return (flow.client, flow.server) if inspection.to_server else (flow.server, flow.client)


class Memory:
    """The state of one rule set."""

    __slots__ = ("_bits", "_counts", "_filters")

    def __init__(self) -> None:
        self._bits: Bounded[tuple[float, int]] = Bounded()
        """(when it was set, for how many seconds)"""
        self._counts: Bounded[tuple[float, int]] = Bounded()
        self._filters: Bounded[tuple[float, int]] = Bounded()

    # -- conditions and effects of state options

    def allows(self, ops: Sequence[StateOp], inspection: Inspection) -> bool:
        return all(self._allows(op, inspection) for op in ops)

    def _allows(self, op: StateOp, inspection: Inspection) -> bool:
        match op:
            case FlowBits(op=BitOp.ISSET):
                return any(name in inspection.flow.flowbits for name in op.names)
            case FlowBits(op=BitOp.ISNOTSET):
                return not all(name in inspection.flow.flowbits for name in op.names)
            case XBits(op=BitOp.ISSET):
                return self._bit(op, inspection)
            case XBits(op=BitOp.ISNOTSET):
                return not self._bit(op, inspection)
            case FlowInt():
                return _flowint_allows(op, inspection.flow)
            case _:
                return True

    def _bit(self, op: XBits, inspection: Inspection) -> bool:
        since, seconds = self._bits.get(_bit_key(op, inspection)) or (0.0, 0)
        return abs(inspection.now - since) < seconds

    def apply(self, ops: Sequence[StateOp], inspection: Inspection) -> None:
        """After a match."""
        for op in ops:
            match op:
                case FlowBits():
                    _change_bits(op, inspection.flow.flowbits)
                case XBits():
                    self._change(op, inspection)
                case FlowInt():
                    _change_int(op, inspection.flow.flowints)

    def _change(self, op: XBits, inspection: Inspection) -> None:
        key = _bit_key(op, inspection)
        set_now = op.op is BitOp.SET or (op.op is BitOp.TOGGLE and not self._bit(op, inspection))
        if set_now:
            self._bits.keep(key, (inspection.now, op.expire))
        elif op.op in (BitOp.UNSET, BitOp.TOGGLE):
            self._bits.forget(key)

    # -- thresholds

    def filtered(self, rule: int, wanted: DetectionFilter, inspection: Inspection) -> bool:
        """detection_filter: counts this match, and says whether it still is none."""
        _, count = self._counted(
            self._filters, (rule, tracked(wanted.track, inspection)), wanted.seconds, inspection
        )
        return count <= wanted.count

    def said(self, rule: object, wanted: Threshold, inspection: Inspection) -> Said:
        """threshold: counts this match. As `ThresholdHandlePacket` of Suricata 7: a window begins with its first match."""
        key = (rule, tracked(wanted.track, inspection))
        since, count = self._counted(self._counts, key, wanted.seconds, inspection)
        match wanted.kind:
            case ThresholdKind.LIMIT:
                return Said.TELL if count <= wanted.count else Said.ACT
            case ThresholdKind.THRESHOLD:
                if count < wanted.count:
                    return Said.NOTHING
                self._counts.keep(key, (since, 0))
                return Said.TELL
            case ThresholdKind.BOTH:
                if count > wanted.count:
                    return Said.ACT
                return Said.TELL if count == wanted.count else Said.NOTHING

    @staticmethod
    def _counted(
        memory: "Bounded[tuple[float, int]]", key: object, seconds: int, inspection: Inspection
    ) -> tuple[float, int]:
        """(begin of the window, matches in it, this one included)"""
        since, count = memory.get(key) or (inspection.now, 0)
        if abs(inspection.now - since) > seconds:
            since, count = inspection.now, 0
        memory.keep(key, (since, count + 1))
        return since, count + 1


def tracked(track: Track, inspection: Inspection) -> object:
    """Whose matches are counted together."""
    source, destination = ends(inspection)
    match track:
        case Track.SOURCE:
            return source
        case Track.DESTINATION:
            return destination
        case Track.BOTH:
            return (min(source, destination), max(source, destination))
        case Track.FLOW:
            flow = inspection.flow
            return (flow.protocol, flow.client, flow.client_port, flow.server, flow.server_port)
        case Track.RULE:
            return None


def _bit_key(op: XBits, inspection: Inspection) -> object:
    source, destination = ends(inspection)
    match op.track:
        case "ip_src":
            return (op.name, source)
        case "ip_dst":
            return (op.name, destination)
        case "tx":
            return (op.name, id(inspection.flow), inspection.transaction)
        case _:
            return (op.name, *sorted((source, destination)))


def _change_bits(op: FlowBits, bits: set[str]) -> None:
    for name in op.names:
        if op.op is BitOp.UNSET or (op.op is BitOp.TOGGLE and name in bits):
            bits.discard(name)
        elif op.op in (BitOp.SET, BitOp.TOGGLE) and len(bits) < _FLOW_BITS:
            bits.add(name)


_COMPARISONS = {"<": Operator.LESS, ">": Operator.GREATER, "<=": Operator.LESS_EQUAL, ">=": Operator.GREATER_EQUAL,
                "==": Operator.EQUAL, "!=": Operator.NOT_EQUAL, "!": Operator.NOT_EQUAL}  # fmt: skip


def _flowint_allows(op: FlowInt, flow: FlowFacts) -> bool:
    if op.op == "isset":
        return op.name in flow.flowints
    if op.op in ("notset", "isnotset"):
        return op.name not in flow.flowints
    if op.op not in _COMPARISONS:
        return True
    if op.name not in flow.flowints:
        return False
    return compare(Comparison(_COMPARISONS[op.op], _value(op, flow.flowints)), flow.flowints[op.name])


def _value(op: FlowInt, ints: dict[str, int]) -> int:
    return op.value if isinstance(op.value, int) else ints.get(op.value, 0)


def _change_int(op: FlowInt, ints: dict[str, int]) -> None:
    if op.op not in ("=", "+", "-") or (op.name not in ints and len(ints) >= _FLOW_BITS):
        return
    value, before = _value(op, ints), ints.get(op.name, 0)
    ints[op.name] = {"=": value, "+": before + value, "-": max(before - value, 0)}[op.op]
