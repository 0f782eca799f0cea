"""Which rules become candidates by which bytes: chosen once on the release side, carried in the pack.

Each rule gives one literal to one group (a buffer, or the payload of a kind of packet). Names that must be equal to a
buffer, or be a domain suffix of it, are looked up by hash; all other literals of a group go into one matcher database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from omamori.firmware.engine.ips.moments import HEADER_BUFFERS, PAYLOAD, moments
from omamori.firmware.engine.ips.order import state_names
from omamori.firmware.engine.ips.rule import BufferSize, Content, Operator, Rule, Section

SHORTEST = 2
"""A literal of one byte is nearly always there and costs more than it saves."""


@dataclass(slots=True)
class Group:
    """The literals of one buffer. Rules are numbers in the rule set's order."""

    literals: dict[tuple[bytes, bool], list[int]] = field(default_factory=dict)
    """(bytes, caseless) -> rules."""
    exact: dict[bytes, list[int]] = field(default_factory=dict)
    """The buffer in lower case -> rules."""
    suffix: dict[bytes, list[int]] = field(default_factory=dict)
    """The buffer's end from a dot on, in lower case -> rules."""


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
    """`exact`, `suffix` or `literal`."""

    def worth(self) -> tuple[int, int, int]:
        named = self.section.buffer != PAYLOAD and len(self.content.pattern) >= 4
        return int(self.kind != "literal"), int(self.content.fast) * 2 + int(named), len(self.content.pattern)


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
    if section.buffer == PAYLOAD or content.relative or content.offset not in (None, 0):
        return "literal"
    sizes = [step.comparison for step in section.steps if isinstance(step, BufferSize)]
    whole = any(size.operator is Operator.EQUAL and size.low == len(content.pattern) for size in sizes)
    if whole or (content.startswith and content.endswith):
        return "exact"
    return "suffix" if content.endswith and content.pattern.startswith(b".") else "literal"


def _enter(chosen: Literals, number: int, rule: Rule, choice: _Choice) -> None:
    for key in _keys(rule, choice.section):
        group = chosen.groups.setdefault(key, Group())
        pattern = choice.content.pattern
        if choice.kind == "exact":
            group.exact.setdefault(pattern.lower(), []).append(number)
        elif choice.kind == "suffix":
            group.suffix.setdefault(pattern.lower(), []).append(number)
        else:
            literal = pattern.lower() if choice.content.nocase else pattern
            group.literals.setdefault((literal, choice.content.nocase), []).append(number)


def _keys(rule: Rule, section: Section) -> list[str]:
    if section.buffer != PAYLOAD:
        return [buffer_key(section.buffer, section.transforms)]
    where = moments(rule)
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
        case _:
            return ("udp", "icmp", "icmpv6", "sctp", "ip")


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
