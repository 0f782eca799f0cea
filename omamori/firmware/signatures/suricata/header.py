"""The header: action, protocol, addresses, ports and direction."""

import ipaddress
import re
from collections.abc import Iterator

from omamori.firmware.engine.ips.rule import Group, Header, RuleAction, Span, Variable
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.lexer import Word
from omamori.firmware.signatures.suricata.recognised import APPLICATIONS, FOREIGN

_ACTIONS = {
    "alert": RuleAction.ALERT,
    "drop": RuleAction.DROP,
    "pass": RuleAction.PASS,
    "reject": RuleAction.REJECT,
    "rejectsrc": RuleAction.REJECT,
    "rejectdst": RuleAction.REJECT,
    "rejectboth": RuleAction.REJECT,
}
TRANSPORTS = frozenset(
    (
        "ip",
        "ipv4",
        "ipv6",
        "tcp",
        "tcp-pkt",
        "tcp-stream",
        "udp",
        "icmp",
        "icmpv4",
        "icmpv6",
        "sctp",
        "pkthdr",
    )
)
_RENAMED = {"ip4": "ipv4", "ip6": "ipv6"}
_WORD = re.compile(r"\$\w+\Z")
_MAX_DEPTH = 10
_PLAIN = re.compile(r"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\Z", re.ASCII)
"""One IPv4 address: nearly all that lists of thousands hold."""


def parse_header(words: list[Word]) -> Header:
    """Raises RuleError."""
    if len(words) != 7:
        last = words[-1].column if words else 1
        raise RuleSyntaxError(f"a header has 7 words (action ... -> ...), not {len(words)}", last)
    action, protocol, source, source_ports, arrow, destination, destination_ports = words
    if action.text not in _ACTIONS:
        raise RuleSyntaxError(f"not an action: {action.text[:40]!r}", action.column)
    if arrow.text not in ("->", "<>", "=>"):
        raise RuleSyntaxError(f"not a direction: {arrow.text[:40]!r}", arrow.column)
    return Header(
        _ACTIONS[action.text],
        _protocol(protocol),
        _addresses(source),
        _ports(source_ports),
        _addresses(destination),
        _ports(destination_ports),
        both_ways=arrow.text == "<>",
    )


def parse_group(text: str, *, ports: bool) -> Group:
    """A list of addresses or ports as in a header or a configuration. Raises RuleError."""
    word = Word(text, 1)
    return _ports(word) if ports else _addresses(word)


def variables_in(header: Header) -> Iterator[str]:
    """The names of variables in its addresses and ports."""
    for group in (header.source, header.source_ports, header.destination, header.destination_ports):
        yield from _names(group)


def _names(group: Group) -> Iterator[str]:
    for item in group.items:
        if isinstance(item, Variable):
            yield item.name
        elif isinstance(item, Group):
            yield from _names(item)


def _protocol(word: Word) -> str:
    name = _RENAMED.get(word.text.lower(), word.text.lower())
    if name in TRANSPORTS or name in APPLICATIONS:
        return name
    if name in FOREIGN:
        raise Unsupported(name, "this protocol is not recognised", word.column)
    raise RuleSyntaxError(f"not a protocol: {word.text[:40]!r}", word.column)


def _addresses(word: Word) -> Group:
    return _group(word.text, word.column, _address, 0)


def _ports(word: Word) -> Group:
    return _group(word.text, word.column, _port, 0)


def _group(text: str, column: int, item, depth: int) -> Group:  # type: ignore[no-untyped-def] # noqa: ANN001 - a local parser
    if depth > _MAX_DEPTH:
        raise RuleSyntaxError(f"lists nested over {_MAX_DEPTH} deep", column)
    bare = text.strip()
    negated = bare.startswith("!")
    if negated:
        return Group((_group(bare[1:], column, item, depth + 1),), negated=True)
    if bare.lower() == "any":
        return Group()
    if not bare.startswith("["):
        return Group((item(bare, column),))
    if not bare.endswith("]"):
        raise RuleSyntaxError("'[' is never closed", column)
    parts = _split(bare[1:-1])
    if not any(part.strip() for part, _ in parts):
        raise RuleSyntaxError("an empty list", column)
    inside = column + text.index("[") + 1
    return _joined([_group(part, inside + at, item, depth + 1) for part, at in parts if part.strip()])


def _joined(groups: list[Group]) -> Group:
    """Plain single items directly, the rest as nested groups."""
    items: list[Span | Variable | Group] = []
    for group in groups:
        if not group.negated and len(group.items) == 1:
            items.append(group.items[0])
        else:
            items.append(group)
    return Group(tuple(items))


def _split(text: str) -> list[tuple[str, int]]:
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append((text[start:at], start))
            start = at + 1
    return [*parts, (text[start:], start)]


def _address(text: str, column: int) -> Span | Variable:
    if text.startswith("$"):
        return _variable(text, column)
    if plain := _PLAIN.match(text):
        parts = [int(part) for part in plain.groups()]
        if max(parts) < 256:
            number = int.from_bytes(parts, "big")
            return Span(4, number, number)
    try:
        if "-" in text:
            low, high = (ipaddress.ip_address(part.strip()) for part in text.split("-", 1))
            if low.version != high.version or int(low) > int(high):
                raise RuleSyntaxError(f"not an address range: {text[:60]!r}", column)
            return Span(low.version, int(low), int(high))
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise RuleSyntaxError(f"not an address: {text[:60]!r}", column) from None
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


def _port(text: str, column: int) -> Span | Variable:
    if text.startswith("$"):
        return _variable(text, column)
    low, colon, high = (part.strip() for part in text.partition(":"))
    try:
        first = int(low) if low else 0
        last = int(high) if high else (65535 if colon else first)
    except ValueError:
        raise RuleSyntaxError(f"not a port: {text[:40]!r}", column) from None
    if not 0 <= first <= last <= 65535:
        raise RuleSyntaxError(f"not a port range: {text[:40]!r}", column)
    return Span(0, first, last)


def _variable(text: str, column: int) -> Variable:
    if not _WORD.match(text):
        raise RuleSyntaxError(f"not a variable: {text[:40]!r}", column)
    return Variable(text[1:])
