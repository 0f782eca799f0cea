"""One rule made ready to be confirmed: resolved header, compiled steps. Made when it first becomes a candidate."""

from collections.abc import Collection, Sequence
from typing import TypeAlias

from omamori.firmware.engine.inspection import FlowFacts, Inspection, Moment
from omamori.firmware.engine.ips import checks
from omamori.firmware.engine.ips.datasets import Datasets
from omamori.firmware.engine.ips.moments import (
    HEADER_BUFFERS,
    PAYLOAD,
    TRANSPORTS,
    address_only,
    applications,
    moments,
)
from omamori.firmware.engine.ips.moves import Run
from omamori.firmware.engine.ips.rule import BitOp, ByteExtract, ByteMath, FlowBits, Rule, RuleAction, Section
from omamori.firmware.engine.ips.sequence import Steps, literals_of
from omamori.firmware.engine.ips.spans import AddressSet, PortSet, Resolver
from omamori.firmware.engine.ips.views import View, Views

_LONG = frozenset(("file.data", "http.request_body", "http.response_body"))
"""Buffers that are looked into last."""
Key: TypeAlias = tuple[int, int]
"""Generator and rule id: what a rule is called in the memory of flows, which outlives a rule set."""


class CompiledSection:
    __slots__ = ("buffer", "steps", "transforms")

    def __init__(self, section: Section, datasets: Datasets) -> None:
        self.buffer = section.buffer
        self.transforms = section.transforms
        self.steps = Steps(section.steps, datasets)


class CompiledRule:
    """`matches` decides; it changes nothing but what it notes in the flow's memory for a rule over stream and buffers."""

    __slots__ = (
        "_applications",
        "_asked",
        "_extracts",
        "_header",
        "_marks",
        "_payload",
        "_reputation",
        "_sections",
        "_where",
        "key",
        "reach",
        "rule",
    )

    def __init__(self, rule: Rule, resolver: Resolver) -> None:
        """Raises SignatureError."""
        self.rule = rule
        self.key: Key = (rule.gid, rule.sid)
        self.reach = 0
        """After a match in a stream: how far into it the match went."""
        self._reputation = resolver.reputation
        header = rule.header
        self._header = (
            resolver.addresses(header.source),
            resolver.ports(header.source_ports),
            resolver.addresses(header.destination),
            resolver.ports(header.destination_ports),
        )
        name = header.protocol
        self._applications = frozenset() if name in TRANSPORTS else applications(name)
        compiled = [CompiledSection(section, resolver.datasets) for section in rule.sections]
        self._payload = next((section for section in compiled if section.buffer == PAYLOAD), None)
        self._sections = [section for section in compiled if section.buffer != PAYLOAD]
        self._where = moments(rule)
        self._asked = () if self._payload is not None else _asked(rule)
        self._marks = _marks(rule)
        self._extracts = any(
            isinstance(step, ByteExtract | ByteMath) for section in rule.sections for step in section.steps
        )

    @property
    def packet_only(self) -> bool:
        """It is about single packets, as Suricata's rules of type "pkt"."""
        where = self._where
        whole = where.stream or where.transaction or self._applications or address_only(self.rule)
        return not whole

    def has_said_it(self, flow: FlowFacts) -> bool:
        """All that a match does is to set bits, and the flow has them."""
        return self._marks is not None and self._marks <= flow.flowbits

    def lacks(self, inspection: Inspection, views: Views) -> bool:
        """It cannot match, for a buffer or a literal that it asks for is not there. Changes nothing."""
        buffers = inspection.buffers
        for name, pattern, nocase in self._asked:
            values = buffers.get(name)
            if not values:
                return True
            if nocase:
                values = [view.lower for view in views.values(name, ())]
            for value in values:
                if value.find(pattern) >= 0:  # `in` first tries to take the pattern for a number, and fails
                    break
            else:
                return True
        return False

    def matches(self, inspection: Inspection, views: Views, *, told: bool = False) -> bool:
        """All but state and thresholds; where its sections were `told` to match, they are not looked at again."""
        if not self._flow_matches(inspection) or not self._ends_match(inspection):
            return False
        if self.rule.checks and not checks.hold(self.rule.checks, inspection, self._reputation):
            return False
        self.reach = 0
        if told:
            return True
        values: dict[str, int] = {}
        if self._payload is not None and not self._payload_matches(inspection, views, values):
            return False
        return all(self._section_matches(section, views, values) for section in self._sections)

    def possible(self, views: Views, names: Collection[str]) -> bool | None:
        """False where what it asks of these buffers alone is not there; True where all it asks is; None where they do not tell."""
        if self._payload is not None or self._extracts:
            return None
        known = [section for section in self._sections if section.buffer in names]
        if not all(self._section_matches(section, views, {}) for section in known):
            return False
        return True if len(known) == len(self._sections) else None

    def _flow_matches(self, inspection: Inspection) -> bool:
        wanted, flow = self.rule.flow, inspection.flow
        if wanted.to_server is not None and wanted.to_server is not inspection.to_server:
            return False
        if wanted.established is not None and wanted.established is not flow.established:
            return False
        packet = inspection.packet
        if wanted.fragment is not None and (packet is None or packet.is_fragment is not wanted.fragment):
            return False
        if self._applications:
            return flow.application in self._applications
        return self._transport_matches(flow)

    def _transport_matches(self, flow: FlowFacts) -> bool:
        wanted = self.rule.header.protocol
        match wanted:
            case "ip" | "pkthdr":
                return True
            case "ipv4":
                return len(flow.client) == 4
            case "ipv6":
                return len(flow.client) == 16
            case "icmp":
                return flow.protocol in ("icmp", "icmpv6")
            case "icmpv4":
                return flow.protocol == "icmp"
            case "tcp-pkt" | "tcp-stream":
                return flow.protocol == "tcp"
            case _:
                return flow.protocol == wanted

    def _ends_match(self, inspection: Inspection) -> bool:
        flow = inspection.flow
        client, server = (flow.client, flow.client_port), (flow.server, flow.server_port)
        source, destination = (client, server) if inspection.to_server else (server, client)
        if _pair(self._header, source, destination):
            return True
        return self.rule.header.both_ways and _pair(self._header, destination, source)

    def _payload_matches(self, inspection: Inspection, views: Views, values: dict[str, int]) -> bool:
        assert self._payload is not None  # noqa: S101 - the caller asked
        steps = self._payload.steps
        if not self._sections or self._where.headers:
            name = "stream" if inspection.moment is Moment.STREAM else "payload"
            fresh = inspection.fresh if inspection.moment is Moment.STREAM else 0
            return self._any(steps, views.values(name, ()), values, fresh)
        # A rule over payload and buffers: the payload's part may have been seen at an earlier moment.
        key = ("part", self.key, inspection.to_server)
        if key in inspection.flow.rule_memory:
            return True
        found = self._any(steps, [*views.values("stream", ()), *views.payload()], values)
        if found and len(inspection.flow.rule_memory) < 256:
            inspection.flow.rule_memory[key] = True
        return found

    def _section_matches(self, section: CompiledSection, views: Views, values: dict[str, int]) -> bool:
        return self._any(section.steps, views.values(section.buffer, section.transforms), values)

    def _any(self, steps: Steps, views: Sequence[View], values: dict[str, int], beyond: int = 0) -> bool:
        for view in views:
            run = Run(view, values, beyond)
            if steps.matches(run):
                self.reach = max(self.reach, run.reach)
                return True
        return False


def _marks(rule: Rule) -> frozenset[str] | None:
    """The bits that it sets, where a match does nothing else: tells nobody, stops nothing, counts nothing."""
    alone = rule.silent and rule.header.action is RuleAction.ALERT
    if not alone or rule.threshold is not None or rule.detection_filter is not None:
        return None
    names = set[str]()
    for op in rule.state:
        if not isinstance(op, FlowBits) or op.op in (BitOp.UNSET, BitOp.TOGGLE):
            return None
        if op.op is BitOp.SET:
            names.update(op.names)
    return frozenset(names)


def _asked(rule: Rule) -> tuple[tuple[str, bytes, bool], ...]:
    """Of each section its buffer and a literal without which it does not match; none where it is transformed first."""
    asked = []
    for section in rule.sections:
        if section.buffer == PAYLOAD or section.buffer in HEADER_BUFFERS:
            continue
        needed = () if section.transforms else literals_of(section.steps)
        asked.append((section.buffer, *next(iter(needed), (b"", False))))
    return tuple(sorted(asked, key=lambda each: each[0] in _LONG))


def _pair(
    header: tuple[AddressSet, PortSet, AddressSet, PortSet],
    source: tuple[bytes, int],
    destination: tuple[bytes, int],
) -> bool:
    sources, source_ports, destinations, destination_ports = header
    return (
        (destination_ports.everything or destination[1] in destination_ports)
        and (source_ports.everything or source[1] in source_ports)
        and (sources.everything or source[0] in sources)
        and (destinations.everything or destination[0] in destinations)
    )
