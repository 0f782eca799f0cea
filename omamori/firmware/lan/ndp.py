"""Neighbour discovery: who holds which IPv6 address, and who routes (RFC 4861, ICMPv6 types 133 to 136). Pure."""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.internet import ICMP6, Packet

_PREFIX: Final = 3
_MOST_OPTIONS: Final = 16
_HOP_LIMIT: Final = 255
"""RFC 4861 6.1, 7.1: anything less came from beyond this link and is forged."""


class Kind(IntEnum):
    """ICMPv6 types."""

    ROUTER_SOLICITATION = 133
    ROUTER_ADVERTISEMENT = 134
    SOLICITATION = 135
    ADVERTISEMENT = 136


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One message."""

    kind: Kind
    claims: IPv6Address | None = None
    """The address that the sender says is its own; None while it only asks whether it is free."""
    asks: IPv6Address | None = None
    """Whose address a solicitation asks for."""
    routes: bool = False
    """An advertisement with a router's lifetime, or with the router flag."""
    prefixes: tuple[IPv6Network, ...] = ()


def parse(packet: Packet) -> Neighbour | None:
    """None for other ICMPv6. Raises BadFrame."""
    data = packet.payload
    if packet.protocol != ICMP6 or not data or data[0] not in set(Kind):
        return None
    if packet.hops != _HOP_LIMIT or not isinstance(packet.source, IPv6Address):
        raise BadFrame("neighbour discovery from beyond the link")
    source = None if packet.source.is_unspecified else packet.source
    match Kind(data[0]):
        case Kind.ROUTER_SOLICITATION:
            return Neighbour(Kind.ROUTER_SOLICITATION, source)
        case Kind.ROUTER_ADVERTISEMENT:
            return _advertised(data, source)
        case Kind.SOLICITATION:
            return Neighbour(Kind.SOLICITATION, source, asks=_target(data))
        case Kind.ADVERTISEMENT:
            return Neighbour(Kind.ADVERTISEMENT, _target(data), routes=bool(data[4] & 0x80))


def _target(data: bytes) -> IPv6Address:
    if len(data) < 24:
        raise BadFrame(f"neighbour discovery of {len(data)} bytes")
    return IPv6Address(data[8:24])


def _advertised(data: bytes, source: IPv6Address | None) -> Neighbour:
    if len(data) < 16:
        raise BadFrame(f"router advertisement of {len(data)} bytes")
    lifetime = int.from_bytes(data[6:8], "big")
    return Neighbour(
        Kind.ROUTER_ADVERTISEMENT, source, routes=lifetime > 0, prefixes=tuple(_prefixes(data[16:]))
    )


def _prefixes(options: bytes) -> list[IPv6Network]:
    found: list[IPv6Network] = []
    offset = 0
    for _ in range(_MOST_OPTIONS):
        if offset + 2 > len(options) or options[offset + 1] == 0:
            break
        kind, length = options[offset], options[offset + 1] * 8
        option = options[offset : offset + length]
        if kind == _PREFIX and len(option) == 32 and option[2] <= 128:
            found.append(IPv6Network((option[16:32], option[2]), strict=False))
        offset += length
    return found
