"""Which rules may match now: by the literals in the bytes of this moment, and by header where no literal stands for a rule.

What is the same for all packets of one direction of a flow (its addresses, its ports, the parts of groups that are for these
ports) is worked out with the first one and kept with the flow. Never a rule too few; one too many costs its confirmation.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from omamori.firmware.engine.inspection import FlowFacts, Inspection, Moment
from omamori.firmware.engine.ips import literals as choosing
from omamori.firmware.engine.ips.encodings import transformed
from omamori.firmware.engine.ips.literals import Literals
from omamori.firmware.engine.ips.prefilter import Prefilter
from omamori.firmware.engine.ips.recent import Recent
from omamori.firmware.engine.ips.repeated import NAMES, Repeated, beside
from omamori.firmware.engine.ips.unfiltered import BufferIndex, Unfiltered
from omamori.firmware.engine.ips.views import Views

_Groups: TypeAlias = Sequence[tuple[tuple[tuple[str, str], ...], Prefilter]]
_Varied: TypeAlias = tuple[str, _Groups, BufferIndex | None]
_Shape: TypeAlias = tuple[tuple[str, ...], frozenset[str]]
_Asked: TypeAlias = tuple[tuple[str, ...], Sequence[_Varied]]
_MAX_SHAPES = 1024
"""Combinations of buffers that are remembered."""
_NONE: frozenset[int] = frozenset()
_NO_NAMES: frozenset[str] = frozenset()
_WAYS = {True: "to_server", False: "to_client"}


class _Way:
    """What holds for one direction of one flow."""

    __slots__ = ("late", "packet_groups", "packets", "recent", "stream_groups", "streams")

    def __init__(
        self,
        packets: Sequence[int],
        streams: Sequence[int],
        late: Sequence[int],
        packet_groups: Sequence[Prefilter],
        stream_groups: Sequence[Prefilter],
    ) -> None:
        self.packets, self.streams, self.late = packets, streams, late
        self.packet_groups, self.stream_groups = packet_groups, stream_groups
        self.recent = Recent()


class Candidates:
    """Of one rule set."""

    def __init__(
        self,
        literals: Literals,
        filters: Mapping[str, Prefilter],
        unfiltered: Unfiltered,
        possible: Callable[[int, Views, frozenset[str]], bool | None],
    ) -> None:
        """`possible` as in `Repeated`."""
        self._unfiltered, self._filters = unfiltered, filters
        buffers: dict[str, list[tuple[tuple[tuple[str, str], ...], Prefilter]]] = {}
        self._ported: dict[str, dict[str, Prefilter]] = {}
        """Payload group -> gate (`d21`, `s53`) -> the group's part for that port."""
        for key, group in filters.items():
            if "/" not in key:
                buffer, transforms = choosing.parse_key(key)
                buffers.setdefault(buffer, []).append((transforms, group))
            elif (gate := key.rpartition("/"))[2][1:].isdigit():
                self._ported.setdefault(gate[0], {})[gate[2]] = group
        streams = (literals.groups[key].literals for key in literals.groups if key.startswith("stream/"))
        self._overlap = max((len(literal) for group in streams for literal, _ in group), default=1) - 1
        """Bytes before the new ones of a stream in which a literal that ends in them may begin."""
        self._own = object()
        """Rule numbers mean something to this rule set only; flows outlive it."""
        self._repeated = Repeated(buffers, unfiltered.buffers, possible)
        self._buffers = {name: groups for name, groups in buffers.items() if name not in NAMES}
        self._shapes: dict[_Shape, _Asked] = {}
        self._lone = {name: index for name, index in unfiltered.buffers.items() if name not in NAMES}

    def find(self, inspection: Inspection) -> tuple[set[int], frozenset[int]]:
        """Numbers of rules, and those of them whose buffers are known to match."""
        found: set[int] = set()
        if inspection.events:
            found.update(self._unfiltered.events)
        moment = inspection.moment
        if moment is Moment.TRANSACTION:
            return found, self._of_message(inspection, found)
        memory, key = inspection.flow.rule_memory, (self._own, inspection.to_server)
        way = memory.get(key)
        if not isinstance(way, _Way):
            way = memory[key] = self._way(inspection.flow, to_server=inspection.to_server)
        if moment is Moment.STREAM:
            self._of_stream(inspection, way, found)
        else:
            self._of_packet(inspection, way, found)
        return found, _NONE

    def _of_message(self, inspection: Inspection, found: set[int]) -> frozenset[int]:
        if rules := self._unfiltered.applications.get(inspection.flow.application):
            found.update(rules)
        buffers, kept = inspection.buffers, inspection.kept
        shape = (tuple(buffers), _NO_NAMES if kept is None else kept.names)
        asked = self._shapes.get(shape) or self._shape(shape)
        told = self._repeated.candidates(inspection, asked[0], found)
        for name, groups, index in asked[1]:
            values = buffers[name]
            for transforms, group in groups:
                for value in values:
                    group.candidates(transformed(bytes(value), transforms) if transforms else value, found)
            if index is not None:
                index.candidates(values, found)
        return told

    def _shape(self, shape: _Shape) -> _Asked:
        """Of a message that has these buffers, some of them known: which of them repeat themselves, and what to search."""
        names, known = shape
        varied = [
            (name, self._buffers.get(name, ()), self._lone.get(name)) for name in names if name not in known
        ]
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        made = self._shapes[shape] = (beside(names, known), [each for each in varied if each[1] or each[2]])
        return made

    def _of_stream(self, inspection: Inspection, way: _Way, found: set[int]) -> None:
        """Only what is new of the window is searched; what was found in the rest of it is remembered."""
        found.update(way.streams)
        if inspection.packet is not None:
            found.update(way.late)
        if not way.stream_groups:
            return
        for known in way.recent.since(inspection.stream_at):
            found |= known
        new: set[int] = set()
        begin = max(0, inspection.fresh - self._overlap)
        for window in inspection.buffers["stream"]:
            fresh = window[begin:] if begin else window
            for group in way.stream_groups:
                group.search(fresh, new)
            if new:
                way.recent.add(inspection.stream_at + len(window), new)
        found |= new

    def _of_packet(self, inspection: Inspection, way: _Way, found: set[int]) -> None:
        """With `stream` the packet stands alone."""
        found.update(way.packets)
        buffers, flow = inspection.buffers, inspection.flow
        if (once := ("addresses", inspection.to_server)) not in flow.rule_memory:
            flow.rule_memory[once] = True
            self._unfiltered.flows.candidates(*_ends(flow, to_server=inspection.to_server), found)
        for value in buffers.get("payload", ()):
            for group in way.packet_groups:
                group.search(value, found)
        if "stream" in buffers:
            found.update(way.streams)
            for value in buffers["stream"]:
                for group in way.stream_groups:
                    group.search(value, found)
        if way.late and flow.protocol == "tcp" and ("stream" in buffers or not buffers):
            found.update(way.late)

    def _way(self, flow: FlowFacts, *, to_server: bool) -> _Way:
        ends, tcp = _ends(flow, to_server=to_server), flow.protocol == "tcp"
        rules: list[set[int]] = [set(), set(), set()]
        indices = (self._unfiltered.packets[tcp], self._unfiltered.streams, self._unfiltered.late)
        for index, into in zip(indices, rules, strict=True):
            if index is not None:
                index.candidates(*ends, into)
        way = _WAYS[to_server]
        ports = (ends[1], ends[3])
        packets, streams, late = map(tuple, rules)
        packet_groups = self._groups(f"packet/tcp/{way}" if tcp else f"packet/{flow.protocol}", *ports)
        return _Way(packets, streams, late, packet_groups, self._groups(f"stream/{way}", *ports))

    def _groups(self, key: str, sender: int, receiver: int) -> Sequence[Prefilter]:
        """The group and its parts for these ports."""
        groups = [group] if (group := self._filters.get(key)) else []
        if ported := self._ported.get(key):
            groups += [ported[gate] for gate in (f"s{sender}", f"d{receiver}") if gate in ported]
        return tuple(groups)


def _ends(flow: FlowFacts, *, to_server: bool) -> tuple[bytes, int, bytes, int]:
    if to_server:
        return (flow.client, flow.client_port, flow.server, flow.server_port)
    return (flow.server, flow.server_port, flow.client, flow.client_port)
