"""Rules that no literal stands for: found by moment, then by the narrowest thing their header says, so that cost is bounded.

A rule that names few ports or particular addresses is found through these; only the rest is looked at each time.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence

from omamori.firmware.engine.ips.moments import HEADER_BUFFERS, PAYLOAD, TRANSPORTS, address_only, moments
from omamori.firmware.engine.ips.rule import BufferSize, Content, FieldCheck, Operator, Rule, Section
from omamori.firmware.engine.ips.spans import AddressSet, Ranges, Resolver

_FEW_PORTS = 64
_FEW_RANGES = 4096
_NARROW = {4: 1 << 24, 6: 1 << 112}
"""An address set larger than this (a /8) is not particular."""


class SpanMap:
    """Address -> rules, by bisection over the elementary intervals of all their ranges."""

    __slots__ = ("_rules", "_starts")

    def __init__(self, entries: Iterable[tuple[Ranges, int]]) -> None:
        changes: dict[int, tuple[list[int], list[int]]] = {}
        for ranges, rule in entries:
            for low, high in ranges:
                changes.setdefault(low, ([], []))[0].append(rule)
                changes.setdefault(high + 1, ([], []))[1].append(rule)
        self._starts = sorted(changes)
        self._rules: list[tuple[int, ...]] = []
        here: dict[int, int] = {}
        for start in self._starts:
            begin, end = changes[start]
            for rule in end:
                here[rule] -= 1
                if not here[rule]:
                    del here[rule]
            for rule in begin:
                here[rule] = here.get(rule, 0) + 1
            self._rules.append(tuple(sorted(here)))

    def __getitem__(self, address: int) -> tuple[int, ...]:
        at = bisect_right(self._starts, address) - 1
        return self._rules[at] if at >= 0 else ()


class HeaderIndex:
    """Rules of one moment, by header. Rules are added one by one and not kept; `seal` it before it is asked."""

    __slots__ = ("_destinations", "_from", "_ports", "_resolver", "_rest", "_senders", "_sources", "_to")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._ports: dict[int, list[int]] = {}
        self._senders: dict[int, list[int]] = {}
        self._rest: list[int] = []
        self._from: list[tuple[AddressSet, int]] = []
        self._to: list[tuple[AddressSet, int]] = []
        self._sources: Mapping[int, SpanMap] = {}
        self._destinations: Mapping[int, SpanMap] = {}

    def add(self, number: int, rule: Rule) -> None:
        header, resolver = rule.header, self._resolver
        source, destination = resolver.addresses(header.source), resolver.addresses(header.destination)
        ports = resolver.ports(header.destination_ports).few(_FEW_PORTS)
        senders = resolver.ports(header.source_ports).few(_FEW_PORTS)
        if header.both_ways:
            self._rest.append(number)
        elif _particular(source):
            self._from.append((source, number))
        elif _particular(destination):
            self._to.append((destination, number))
        elif ports is not None:
            for port in ports:
                self._ports.setdefault(port, []).append(number)
        elif senders is not None:
            for port in senders:
                self._senders.setdefault(port, []).append(number)
        else:
            self._rest.append(number)

    def seal(self) -> "HeaderIndex":
        """No more rules will come."""
        self._sources, self._destinations = _maps(self._from), _maps(self._to)
        self._from, self._to = [], []
        return self

    def candidates(self, source: bytes, sender: int, destination: bytes, port: int, into: set[int]) -> None:
        """Adds to `into` what may match a packet from port `sender` of `source` to `port` of `destination`."""
        into.update(self._rest)
        if rules := self._ports.get(port):
            into.update(rules)
        if rules := self._senders.get(sender):
            into.update(rules)
        if self._sources:
            into.update(self._sources[len(source)][int.from_bytes(source, "big")])
        if self._destinations:
            into.update(self._destinations[len(destination)][int.from_bytes(destination, "big")])


def _particular(addresses: AddressSet) -> bool:
    for version, ranges in ((4, addresses.v4), (6, addresses.v6)):
        if len(ranges) > _FEW_RANGES or sum(high - low + 1 for low, high in ranges) > _NARROW[version]:
            return False
    return True


def _maps(entries: list[tuple[AddressSet, int]]) -> Mapping[int, SpanMap]:
    if not entries:
        return {}
    return {4: SpanMap((a.v4, rule) for a, rule in entries), 16: SpanMap((a.v6, rule) for a, rule in entries)}


class BufferIndex:
    """Rules that look at one buffer, by its first byte or its size where they name one."""

    __slots__ = ("_first", "_rest", "_sizes")

    def __init__(self) -> None:
        self._first: dict[int, list[int]] = {}
        self._sizes: dict[int, list[int]] = {}
        self._rest: list[int] = []

    def add(self, number: int, section: Section) -> None:
        for step in () if section.transforms else section.steps:
            if isinstance(step, BufferSize) and step.comparison.operator is Operator.EQUAL:
                self._sizes.setdefault(step.comparison.low, []).append(number)
                return
            if isinstance(step, Content) and _begins(step):
                first = step.pattern[:1]
                for byte in {first, first.swapcase()} if step.nocase else {first}:
                    self._first.setdefault(byte[0], []).append(number)
                return
        self._rest.append(number)

    def candidates(self, values: Sequence[bytes], into: set[int]) -> None:
        """Adds to `into`."""
        into.update(self._rest)
        for value in values:
            if rules := self._sizes.get(len(value)):
                into.update(rules)
            if value and (rules := self._first.get(value[0])):
                into.update(rules)


def _begins(content: Content) -> bool:
    """It can only be at the very beginning."""
    if content.negated or content.relative or content.offset not in (None, 0) or not content.pattern:
        return False
    return content.startswith or content.depth == len(content.pattern)


class Unfiltered:
    """All of them, by moment."""

    __slots__ = ("applications", "buffers", "events", "flows", "late", "numbered", "packets", "streams")

    def __init__(
        self, rules: Iterable[tuple[int, Rule]], resolver: Resolver, late: Collection[int] = ()
    ) -> None:
        """Takes one rule after the other, so that not all of them need be in memory."""
        self.flows = HeaderIndex(resolver)
        """About addresses alone: once for each direction of a flow."""
        self.numbered: dict[int, HeaderIndex] = {}
        """Those of them for one protocol, by its number (`ip_proto:41`)."""
        self.packets = {tcp: HeaderIndex(resolver) for tcp in (True, False)}
        self.streams = HeaderIndex(resolver)
        after = HeaderIndex(resolver)
        self.late: HeaderIndex | None = None
        """Of a TCP packet with payload asked after its stream."""
        self.buffers: dict[str, BufferIndex] = {}
        """Rules of messages, by the first buffer that they look at."""
        self.applications: dict[str, list[int]] = {}
        """Rules of messages that look at none, by their protocol."""
        self.events: list[int] = []
        for number, rule in rules:
            where = moments(rule)
            if where.event:
                self.events.append(number)
            elif where.transaction:
                self._add_transaction(number, rule)
            elif address_only(rule):
                only = _only_protocol(rule)
                index = self.flows if only is None else self.numbered.setdefault(only, HeaderIndex(resolver))
                index.add(number, rule)
            elif number in late:
                self.late = after
                after.add(number, rule)
                if where.datagram:
                    self.packets[False].add(number, rule)
            else:
                if where.stream:
                    self.streams.add(number, rule)
                for tcp in [tcp for tcp, wanted in ((True, where.packet), (False, where.datagram)) if wanted]:
                    self.packets[tcp].add(number, rule)
        for index in (self.flows, *self.numbered.values(), *self.packets.values(), self.streams, after):
            index.seal()

    def _add_transaction(self, number: int, rule: Rule) -> None:
        sections = [section for section in rule.sections if section.buffer not in HEADER_BUFFERS | {PAYLOAD}]
        if sections:
            self.buffers.setdefault(sections[0].buffer, BufferIndex()).add(number, sections[0])
        elif rule.header.protocol not in TRANSPORTS:
            self.applications.setdefault(rule.header.protocol, []).append(number)


def _only_protocol(rule: Rule) -> int | None:
    """The number that each packet it matches has."""
    for check in rule.checks:
        if not isinstance(check, FieldCheck) or check.field != "protocol":
            continue
        if check.comparison.operator is Operator.EQUAL:
            return check.comparison.low
    return None
