"""Which rules become candidates by which bytes: chosen once on the release side, carried in the pack.

Each rule gives one literal to one group (a buffer, or the payload of a kind of packet). What must be all of a buffer, its
beginning or its end is looked up by hash; all other literals of a group go into one matcher database. A short literal
over payload costs the most and is found everywhere: where its rule names few ports, it goes into a group of that port.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from omamori.firmware.engine.ips.moments import HEADER_BUFFERS, PAYLOAD, Moments, moments
from omamori.firmware.engine.ips.order import state_names
from omamori.firmware.engine.ips.rule import BufferSize, Content, Operator, Rule, Section, Span
from omamori.firmware.engine.ips.rule import Group as Ports

SHORTEST = 2
"""A literal of one byte is nearly always there and costs more than it saves."""
_SHORT = 6
"""Below it, a literal over payload is gated by port where it can be, and no hash look-up is preferred to another literal."""
_TELLING = 4
"""From so many bytes on, the rule's author knows best which literal is rare (`fast_pattern`)."""
_FEW_PORTS = 8
KEYS = (8, 4, 2)
"""Bytes of a beginning or an end that are looked up: the most that its literal has."""
_TOLD = 12
"""Of a longer literal the bytes that are looked up say too little: the first ones of `HTTP/1.1 200 OK` are in each response."""
_COMMON: Final = frozenset(
    (
        b"get", b"get ", b"post", b"post ", b"head", b"200", b"200 ok", b"ok", b"http", b"http/1.", b"http/1.0", b"http/1.1", b"text", b"text/",
        b"text/htm", b"ext/html", b"text/html", b"text/plain", b"applicat", b"application/", b"keep-alive", b"close", b"mozilla/", b"mozilla/4.0", b"mozilla/5.0", b"gzip, deflate",
        b"<title>", b"</title>", b"<html", b"<html>", b"</html>", b"<head>", b"</head>", b"<body", b"<body>", b"</body>", b"<script", b"<script>", b"</script>", b"</a>", b"href=", b"</",
    )
)  # fmt: skip
"""What every second message has, in lower case: rules found by it would be found all the time."""
_NAMES = frozenset(("dns.query", "dns.query.name", "tls.sni", "http.host", "http.host.raw", "quic.sni"))
"""Here nothing is as common as that."""
TABLES = ("exact", "suffix", "beginning", "ending")
_FIXED = {"ja3.hash": 32, "ja3s.hash": 32, "ssh.hassh": 32, "ssh.hassh.server": 32}
"""Buffers that are always as long."""


@dataclass(slots=True)
class Group:
    """The literals of one buffer. Rules are numbers in the rule set's order. All but `literals` are in lower case."""

    literals: dict[tuple[bytes, bool], list[int]] = field(default_factory=dict)
    """(bytes, caseless) -> rules."""
    exact: dict[bytes, list[int]] = field(default_factory=dict)
    """The buffer -> rules."""
    suffix: dict[bytes, list[int]] = field(default_factory=dict)
    """The buffer's end from a dot on -> rules."""
    beginning: dict[bytes, list[int]] = field(default_factory=dict)
    """The buffer's first bytes, as many as `KEYS` says -> rules."""
    ending: dict[bytes, list[int]] = field(default_factory=dict)
    """The buffer's last bytes, likewise -> rules."""


@dataclass(slots=True)
class Literals:
    """`unfiltered` rules gave none and are looked at whenever header and moment fit.

    `late` ones of them ask for bits that rules over streams change: of a packet with payload they are asked after its stream.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    unfiltered: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Choice:
    section: Section
    content: Content
    kind: str
    """A name of `TABLES` or `literals`."""

    def worth(self) -> tuple[int, int, int, int, int]:
        pattern = self.content.pattern.lower()
        size, rare = len(pattern), _sought(self.kind, pattern) not in _COMMON
        named = self.section.buffer != PAYLOAD and size >= 4
        hashed = self.kind in ("exact", "suffix", "ending") and size >= _SHORT
        # Bytes that repeat themselves, zeros most of all, are in any binary.
        telling = min(size, 2 * len(set(self.content.pattern)), _TELLING)
        return int(rare), int(hashed), telling, int(self.content.fast) * 2 + int(named), size


def choose(rules: Sequence[Rule]) -> Literals:
    chosen = Literals()
    for number, rule in enumerate(rules):
        choice = _best(rule)
        if choice is None:
            chosen.unfiltered.append(number)
        else:
            _enter(chosen, number, rule, choice)
    chosen.late = _late(rules, chosen.unfiltered)
    return chosen


def _late(rules: Sequence[Rule], unfiltered: Sequence[int]) -> list[int]:
    changed = {name for rule in rules if rule.state and moments(rule).stream for name in state_names(rule)[1]}
    return [
        number
        for number in unfiltered
        if rules[number].state
        and not rules[number].sections
        and moments(rules[number]).packet
        and state_names(rules[number])[0] & changed
    ]


def _best(rule: Rule) -> _Choice | None:
    choices = [
        _Choice(section, step, _kind(section, step))
        for section in rule.sections
        for step in section.steps
        if isinstance(step, Content) and not step.negated and len(step.pattern) >= SHORTEST
    ]
    where = moments(rule)
    if where.event or any(section.buffer in HEADER_BUFFERS for section in rule.sections):
        return None
    if where.transaction:
        # The payload's part may have matched before; only a buffer makes such a rule a candidate.
        choices = [choice for choice in choices if choice.section.buffer != PAYLOAD]
    return max(choices, key=_Choice.worth, default=None)


def _kind(section: Section, content: Content) -> str:
    """Where the literal stands in the buffer, of which payload is one only in packets."""
    size = len(content.pattern)
    if content.relative or content.offset not in (None, 0):
        return "literals"
    told = size <= _TOLD or section.buffer in _NAMES
    if section.buffer == PAYLOAD:
        return "beginning" if told and (content.startswith or content.depth == size) else "literals"
    sizes = [step.comparison for step in section.steps if isinstance(step, BufferSize)]
    whole = any(each.operator is Operator.EQUAL and each.low == size for each in sizes)
    if whole or (content.startswith and content.endswith) or _FIXED.get(section.buffer) == size:
        return "exact"
    if content.endswith and content.pattern.startswith(b"."):
        return "suffix"
    if content.endswith:
        return "ending" if told and _tells("ending", content) else "literals"
    begins = content.startswith or content.depth == size
    return "beginning" if begins and told and _tells("beginning", content) else "literals"


def _tells(kind: str, content: Content) -> bool:
    """`GET @` does not by its first four bytes."""
    return _sought(kind, content.pattern.lower()) not in _COMMON


def _sought(kind: str, pattern: bytes) -> bytes:
    """What of a literal a look-up sees."""
    return pattern if kind == "literals" else _looked_up(kind, pattern)


def _enter(chosen: Literals, number: int, rule: Rule, choice: _Choice) -> None:
    pattern = choice.content.pattern
    for key in _keys(rule, choice):
        kind = "literals" if key.startswith("stream/") else choice.kind
        group = chosen.groups.setdefault(key, Group())
        if kind == "literals":
            literal = pattern.lower() if choice.content.nocase else pattern
            group.literals.setdefault((literal, choice.content.nocase), []).append(number)
        else:
            table: dict[bytes, list[int]] = getattr(group, kind)
            table.setdefault(_looked_up(kind, pattern.lower()), []).append(number)


def _looked_up(kind: str, pattern: bytes) -> bytes:
    if kind in ("exact", "suffix"):
        return pattern
    size = next(size for size in KEYS if size <= len(pattern))
    return pattern[:size] if kind == "beginning" else pattern[-size:]


def _keys(rule: Rule, choice: _Choice) -> list[str]:
    section = choice.section
    if section.buffer != PAYLOAD:
        return [buffer_key(section.buffer, section.transforms)]
    keys = _payload_keys(rule, moments(rule))
    gates = _gates(rule) if len(choice.content.pattern) < _SHORT else []
    return [f"{key}/{gate}" for key in keys for gate in gates] if gates else keys


def _gates(rule: Rule) -> list[str]:
    """`d21`: the receiver's port; `s53`: the sender's. Empty where the rule names none, or too many."""
    if rule.header.both_ways:
        return []
    for letter, ports in (("d", rule.header.destination_ports), ("s", rule.header.source_ports)):
        if numbers := _numbers(ports):
            return [f"{letter}{number}" for number in numbers]
    return []


def _numbers(ports: Ports) -> list[int]:
    spans = [item for item in ports.items if isinstance(item, Span)]
    count = sum(span.high - span.low + 1 for span in spans)
    if ports.negated or len(spans) != len(ports.items) or not 0 < count <= _FEW_PORTS:
        return []
    return sorted({number for span in spans for number in range(span.low, span.high + 1)})


def _payload_keys(rule: Rule, where: Moments) -> list[str]:
    keys = []
    if where.stream:
        keys += [f"stream/{way}" for way in _ways(rule)]
    if where.packet:
        keys += [f"packet/tcp/{way}" for way in _ways(rule)]
    if where.datagram:
        keys += [f"packet/{transport}" for transport in _transports(rule)]
    return keys


def _ways(rule: Rule) -> tuple[str, ...]:
    if rule.flow.to_server is None:
        return ("to_server", "to_client")
    return ("to_server",) if rule.flow.to_server else ("to_client",)


def _transports(rule: Rule) -> tuple[str, ...]:
    match rule.header.protocol:
        case "icmp":
            return ("icmp", "icmpv6")
        case "icmpv4":
            return ("icmp",)
        case "udp" | "icmpv6" | "sctp":
            return (rule.header.protocol,)
        case "ip" | "ipv4" | "ipv6" | "pkthdr":
            return ("udp", "icmp", "icmpv6", "sctp", "ip")
        case _:
            return ("udp",)


def buffer_key(buffer: str, transforms: tuple[tuple[str, str], ...]) -> str:
    """`tls.sni`, `dns.query|dotprefix`, `http.uri|xor:0d0ac8ff`."""
    return "|".join((buffer, *(f"{name}:{argument}" if argument else name for name, argument in transforms)))


def parse_key(key: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The inverse of `buffer_key`."""
    buffer, *transforms = key.split("|")
    pairs = (transform.partition(":") for transform in transforms)
    return buffer, tuple((name, argument) for name, _, argument in pairs)


def sizes(literals: Literals) -> Mapping[str, int]:
    """How many literals each group has."""
    return {key: len(group.literals) for key, group in sorted(literals.groups.items())}
