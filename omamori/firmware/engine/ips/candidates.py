"""Which rules may match now: by the literals in the bytes of this moment, and by header where no literal stands for a rule.

What is the same for all packets of one direction of a flow (its addresses, its ports, the parts of groups that are for these
ports) is worked out with the first one and kept with the flow. Never a rule too few; one too many costs its confirmation.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from omamori.firmware.engine.inspection import FlowFacts, Inspection, Moment
from omamori.firmware.engine.ips import literals as choosing
from omamori.firmware.engine.ips.encodings import transformed
from omamori.firmware.engine.ips.literals import Group, Literals
from omamori.firmware.engine.ips.prefilter import Prefilter
from omamori.firmware.engine.ips.recent import Recent
from omamori.firmware.engine.ips.repeated import NAMES, Repeated, beside
from omamori.firmware.engine.ips.unfiltered import BufferIndex, Unfiltered
from omamori.firmware.engine.ips.views import Views
from omamori.firmware.engine.packet import Packet

_Groups: TypeAlias = Sequence[tuple[tuple[tuple[str, str], ...], Prefilter]]
_Varied: TypeAlias = tuple[str, _Groups, BufferIndex | None]
_Chosen: TypeAlias = tuple[Sequence[Prefilter], Sequence[Prefilter]]
_Shape: TypeAlias = tuple[tuple[str, ...], frozenset[str]]
_Asked: TypeAlias = tuple[tuple[str, ...], Sequence[_Varied]]
_MAX_SHAPES = 1024
"""Combinations of buffers that are remembered."""
_NONE: frozenset[int] = frozenset()
_NO_NAMES: frozenset[str] = frozenset()
_GROWING: Final = frozenset(("file.data", "http.request_body", "http.response_body", "stream"))
"""Buffers that the next part of a message brings anew, and that are not worth the memory."""
_BEGUN: Final = (("message", False), ("message", True))
"""Where a flow remembers a message under way, by direction."""
_MOST: Final = 8 << 10
"""Bytes of a message under way; a larger one is searched again."""
_WAYS = {True: "to_server", False: "to_client"}


class _Both:
    """What is sought in packets and in streams of TCP, in one search."""

    __slots__ = ("group", "packets", "streams")

    def __init__(self, group: Prefilter, packets: Group | None, streams: Group | None) -> None:
        self.group = group
        self.packets, self.streams = _rules_of(packets), _rules_of(streams)


class _Way:
    """What holds for one direction of one flow."""

    __slots__ = (
        "both",
        "late",
        "packet_groups",
        "packets",
        "recent",
        "stream_groups",
        "streams",
    )

    def __init__(
        self,
        packets: Sequence[int],
        streams: Sequence[int],
        late: Sequence[int],
        packet_groups: Sequence[Prefilter],
        stream_groups: Sequence[Prefilter],
        both: _Both | None,
    ) -> None:
        self.both = both
        self.packets, self.streams, self.late = packets, streams, late
        self.packet_groups, self.stream_groups = packet_groups, stream_groups
        self.recent = Recent()


class _Begun:
    """A message of which more is to come: what was found in those of its buffers that will hardly change."""

    __slots__ = ("found", "sizes", "told", "transaction", "values", "whose")

    def __init__(
        self, whose: object, inspection: Inspection, found: frozenset[int], told: frozenset[int]
    ) -> None:
        self.whose, self.transaction = whose, inspection.transaction
        self.found, self.told = found, told
        self.values = {name: each for name, each in inspection.buffers.items() if name not in _GROWING}
        self.sizes = {name: len(each) for name, each in self.values.items()}

    def has(self, name: str, values: Sequence[bytes]) -> bool:
        """The very same values, none added."""
        return self.values.get(name) is values and self.sizes[name] == len(values)


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
        gates = {gate for ported in self._ported.values() for gate in ported}
        self._senders = frozenset(int(gate[1:]) for gate in gates if gate[0] == "s")
        self._receivers = frozenset(int(gate[1:]) for gate in gates if gate[0] == "d")
        self._both = {
            way: _Both(one, literals.groups.get(f"packet/tcp/{way}"), literals.groups.get(f"stream/{way}"))
            for way in _WAYS.values()
            if (one := filters.get(f"tcp/{way}")) is not None
        }
        self._searched: Packet | None = None
        """The packet that was searched last, with what came before it: one of all flows, for its stream is asked next."""
        self._seen: AbstractSet[int] = _NONE
        """What was found there for the stream."""
        self._chosen: dict[tuple[str, bool, int, int], _Chosen] = {}
        """Groups for a protocol, a way and two ports, where these have groups of their own (else -1)."""
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
        begun = self._begun(inspection)
        if begun is not None:
            found |= begun.found
        shape = (tuple(buffers), _NO_NAMES if kept is None else kept.names)
        asked = self._shapes.get(shape) or self._shape(shape)
        if begun is not None and all(begun.has(name, buffers[name]) for name in asked[0]):
            told = begun.told
        else:
            told = self._repeated.candidates(inspection, asked[0], found)
        for name, groups, index in asked[1]:
            values = buffers[name]
            if begun is not None and begun.has(name, values):
                continue
            for transforms, group in groups:
                for value in values:
                    group.candidates(transformed(bytes(value), transforms) if transforms else value, found)
            if index is not None:
                index.candidates(values, found)
        if begun is None and not inspection.complete and _size(buffers) <= _MOST:
            memory = inspection.flow.rule_memory
            memory[_BEGUN[inspection.to_server]] = _Begun(self._own, inspection, frozenset(found), told)
        return told

    def _begun(self, inspection: Inspection) -> _Begun | None:
        """What an earlier part of this message showed; forgotten with its last one."""
        memory, key = inspection.flow.rule_memory, _BEGUN[inspection.to_server]
        begun = memory.get(key)
        if not isinstance(begun, _Begun):
            return None
        if begun.whose is not self._own or begun.transaction != inspection.transaction:
            del memory[key]
            return None
        if inspection.complete:
            del memory[key]
        return begun

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
        if not way.stream_groups and way.both is None:
            return
        for known in way.recent.since(inspection.stream_at):
            found |= known
        new: set[int] = set()
        begin, both = max(0, inspection.fresh - self._overlap), way.both
        searched = inspection.alone and self._searched is inspection.packet
        for window in inspection.buffers["stream"]:
            if both is not None and searched:
                new |= self._seen
            if way.stream_groups or not searched:
                fresh = window[begin:] if begin else window
                for group in way.stream_groups:
                    group.search(fresh, new)
                if both is not None and not searched:
                    new |= _found(both.group, fresh) & both.streams
            if new:
                way.recent.add(inspection.stream_at + len(window), new)
        found |= new

    def _of_packet(self, inspection: Inspection, way: _Way, found: set[int]) -> None:
        """With `stream` the packet stands alone."""
        found.update(way.packets)
        buffers, flow = inspection.buffers, inspection.flow
        if (once := ("addresses", inspection.to_server)) not in flow.rule_memory:
            flow.rule_memory[once] = True
            ends, packet = _ends(flow, to_server=inspection.to_server), inspection.packet
            self._unfiltered.flows.candidates(*ends, found)
            numbered = self._unfiltered.numbered.get(packet.protocol) if packet is not None else None
            if numbered is not None:
                numbered.candidates(*ends, found)
        for value in buffers.get("payload", ()):
            for group in way.packet_groups:
                group.search(value, found)
            if way.both is not None:
                self._of_both(way.both, value, inspection, found)
        if "stream" in buffers:
            found.update(way.streams)
            if way.both is not None:
                found |= self._seen
            for value in buffers["stream"]:
                for group in way.stream_groups:
                    group.search(value, found)
        if way.late and flow.protocol == "tcp" and ("stream" in buffers or not buffers):
            found.update(way.late)

    def _of_both(self, both: _Both, payload: bytes, inspection: Inspection, found: set[int]) -> None:
        """Searches what the packet brings to its stream as well, with as much before it as a literal may reach back."""
        before = inspection.before
        if len(before) > self._overlap:
            before = before[len(before) - self._overlap :]
        new = _found(both.group, before + payload if before else payload)
        self._searched, self._seen = inspection.packet, _NONE
        if new:
            found |= new & both.packets
            self._seen = new & both.streams

    def _way(self, flow: FlowFacts, *, to_server: bool) -> _Way:
        ends, tcp = _ends(flow, to_server=to_server), flow.protocol == "tcp"
        rules: list[set[int]] = [set(), set(), set()]
        indices = (self._unfiltered.packets[tcp], self._unfiltered.streams, self._unfiltered.late)
        for index, into in zip(indices, rules, strict=True):
            if index is not None:
                index.candidates(*ends, into)
        packets, streams, late = map(tuple, rules)
        sender = ends[1] if ends[1] in self._senders else -1
        receiver = ends[3] if ends[3] in self._receivers else -1
        key = (flow.protocol, to_server, sender, receiver)
        groups = self._chosen.get(key) or self._choose(key)
        return _Way(packets, streams, late, *groups, self._both.get(_WAYS[to_server]) if tcp else None)

    def _choose(self, key: tuple[str, bool, int, int]) -> _Chosen:
        protocol, to_server, *ports = key
        way = _WAYS[to_server]
        of_packets = self._groups(f"packet/tcp/{way}" if protocol == "tcp" else f"packet/{protocol}", *ports)
        if len(self._chosen) >= _MAX_SHAPES:
            self._chosen.clear()
        made = self._chosen[key] = (of_packets, self._groups(f"stream/{way}", *ports))
        return made

    def _groups(self, key: str, sender: int, receiver: int) -> Sequence[Prefilter]:
        """The group and its parts for these ports."""
        groups = [group] if (group := self._filters.get(key)) else []
        if ported := self._ported.get(key):
            groups += [ported[gate] for gate in (f"s{sender}", f"d{receiver}") if gate in ported]
        return tuple(groups)


def _size(buffers: Mapping[str, Sequence[bytes]]) -> int:
    """Bytes of those that do not grow."""
    return sum(sum(map(len, each)) for name, each in buffers.items() if name not in _GROWING)


def _rules_of(group: Group | None) -> frozenset[int]:
    return frozenset(number for rules in group.literals.values() for number in rules) if group else _NONE


def _found(group: Prefilter, data: bytes) -> set[int]:
    found: set[int] = set()
    group.search(data, found)
    return found


def _ends(flow: FlowFacts, *, to_server: bool) -> tuple[bytes, int, bytes, int]:
    if to_server:
        return (flow.client, flow.client_port, flow.server, flow.server_port)
    return (flow.server, flow.server_port, flow.client, flow.client_port)
