"""Addresses and ports of a header, resolved to sorted disjoint ranges, and asked in constant time.

Sets are exact: a list is the union of its plain items less the union of its negated ones, nested as deep as written.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import TypeAlias

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.ips.reputation import Reputation
from omamori.firmware.engine.ips.rule import Group, Span, Variable

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Sorted, disjoint, both ends included."""
_TOP = {0: 65535, 4: (1 << 32) - 1, 6: (1 << 128) - 1}
_MEMORY = 8192
"""Answers remembered for each set; then it begins anew."""
_MAX_DEPTH = 30


def networks(*texts: str) -> Group:
    """A group of networks from their usual notation. Raises ValueError."""
    spans = []
    for text in texts:
        network = ip_network(text)
        spans.append(Span(network.version, int(network.network_address), int(network.broadcast_address)))
    return Group(tuple(spans))


def ports(*numbers: int) -> Group:
    return Group(tuple(Span(0, number, number) for number in numbers))


INSIDE = networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
"""What a small office uses behind its router (RFC 1918, 3927, 4193, 4291)."""
_HOME = Group((Variable("HOME_NET"),))
_NOT_HOME = Group((Group((Variable("HOME_NET"),), negated=True),))
_HOME_NAMES = (
    "HTTP_SERVERS", "SMTP_SERVERS", "SQL_SERVERS", "DNS_SERVERS", "TELNET_SERVERS", "DC_SERVERS", "DNP3_SERVER", "DNP3_CLIENT",
    "MODBUS_CLIENT", "MODBUS_SERVER", "ENIP_CLIENT", "ENIP_SERVER", "FTP_SERVERS", "SSH_SERVERS", "SIP_SERVERS", "SNMP_SERVERS",
)  # fmt: skip


def _defaults() -> dict[str, Group]:
    return {
        "HOME_NET": INSIDE,
        "EXTERNAL_NET": _NOT_HOME,
        "AIM_SERVERS": _NOT_HOME,
        **dict.fromkeys(_HOME_NAMES, _HOME),
        "HTTP_PORTS": ports(80, 81, 8000, 8008, 8080, 8081, 8088, 8888),
        "SHELLCODE_PORTS": Group((Group((Span(0, 80, 80),), negated=True),)),
        "ORACLE_PORTS": ports(1521),
        "SSH_PORTS": ports(22),
        "DNP3_PORTS": ports(20000),
        "MODBUS_PORTS": ports(502),
        "FTP_PORTS": ports(21),
        "FILE_DATA_PORTS": Group((*ports(110, 143).items, Variable("HTTP_PORTS"))),
        "GENEVE_PORTS": ports(6081),
        "VXLAN_PORTS": ports(4789),
        "TEREDO_PORTS": ports(3544),
        "SIP_PORTS": ports(5060, 5061),
    }


@dataclass(frozen=True, slots=True)
class Variables:
    """What `$NAME` stands for on this unit: the standard names of Suricata rules, HOME_NET being the inside."""

    groups: Mapping[str, Group] = field(default_factory=_defaults)

    reputation: Reputation = field(default_factory=Reputation)
    """What is known of addresses (`iprep`)."""
    datasets: Mapping[str, HashTable] = field(default_factory=dict)
    """What `dataset` looks up, by name."""

    def with_groups(self, changed: Mapping[str, Group]) -> "Variables":
        return replace(self, groups={**self.groups, **changed})


def resolve(group: Group, version: int, variables: Variables, depth: int = 0) -> Ranges:
    """The ranges of one version (0 for ports). Raises SignatureError for an unknown variable or a circle."""
    if depth > _MAX_DEPTH:
        raise SignatureError("address variables refer to each other in a circle")
    if not group.items:
        plain: Ranges = ((0, _TOP[version]),)
    else:
        taken = [_item(item, version, variables, depth) for item in group.items if not _negative(item)]
        refused = [_item(item, version, variables, depth) for item in group.items if _negative(item)]
        plain = _union(taken) if taken else ((0, _TOP[version]),)
        # A negated item resolves to its complement, so what remains is the part in all of them.
        for kept in refused:
            plain = _both(plain, kept)
    return _complement(plain, _TOP[version]) if group.negated else plain


def _negative(item: Span | Variable | Group) -> bool:
    return isinstance(item, Group) and item.negated


def _item(item: Span | Variable | Group, version: int, variables: Variables, depth: int) -> Ranges:
    if isinstance(item, Span):
        return ((item.low, item.high),) if item.version == version else ()
    if isinstance(item, Group):
        return resolve(item, version, variables, depth + 1)
    if item.name not in variables.groups:
        raise SignatureError(f"no variable ${item.name}")
    return resolve(variables.groups[item.name], version, variables, depth + 1)


def _union(parts: Iterable[Ranges]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(span for part in parts for span in part):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _complement(ranges: Ranges, top: int) -> Ranges:
    gaps, start = [], 0
    for low, high in ranges:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    return (*gaps, (start, top)) if start <= top else tuple(gaps)


def _both(first: Ranges, second: Ranges) -> Ranges:
    out, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        low, high = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if low <= high:
            out.append((low, high))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return tuple(out)


class AddressSet:
    """Packed addresses of both versions."""

    __slots__ = ("_known", "everything", "v4", "v6")

    def __init__(self, v4: Ranges, v6: Ranges) -> None:
        self.v4, self.v6 = v4, v6
        self.everything = v4 == ((0, _TOP[4]),) and v6 == ((0, _TOP[6]),)
        self._known: dict[bytes, bool] = {}

    def __contains__(self, address: bytes) -> bool:
        answer = self._known.get(address)
        if answer is None:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            ranges = self.v4 if len(address) == 4 else self.v6
            answer = self._known[address] = covers(ranges, int.from_bytes(address, "big"))
        return answer


def covers(ranges: Ranges, value: int) -> bool:
    at = bisect_right(ranges, (value, 1 << 129)) - 1
    return at >= 0 and ranges[at][1] >= value


class PortSet:
    __slots__ = ("everything", "ranges")

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.everything = ranges == ((0, 65535),)

    def __contains__(self, port: int) -> bool:
        return any(low <= port <= high for low, high in self.ranges)

    def few(self, most: int) -> tuple[int, ...] | None:
        """The ports one by one where there are no more than `most`."""
        count = sum(high - low + 1 for low, high in self.ranges)
        return (
            tuple(port for low, high in self.ranges for port in range(low, high + 1))
            if count <= most
            else None
        )


class Resolver:
    """Resolves groups, each distinct one once. Raises SignatureError."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._addresses: dict[Group, AddressSet] = {}
        self._ports: dict[Group, PortSet] = {}

    @property
    def reputation(self) -> Reputation:
        return self._variables.reputation

    @property
    def datasets(self) -> Mapping[str, HashTable]:
        return self._variables.datasets

    def addresses(self, group: Group) -> AddressSet:
        found = self._addresses.get(group)
        if found is None:
            v4, v6 = (resolve(group, version, self._variables) for version in (4, 6))
            found = self._addresses[group] = AddressSet(v4, v6)
        return found

    def ports(self, group: Group) -> PortSet:
        found = self._ports.get(group)
        if found is None:
            found = self._ports[group] = PortSet(resolve(group, 0, self._variables))
        return found
