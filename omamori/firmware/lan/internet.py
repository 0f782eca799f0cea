"""IPv4 and IPv6 packets as far as a listener needs them: who to whom, how many hops left, which ports (RFC 791, 8200, 768, 9293). Pure.

Heads may be cut: a sampled packet is captured to its first hundred bytes. IPv6 extension headers are followed four deep.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Final, TypeAlias

from omamori.firmware.lan.errors import BadFrame

Address: TypeAlias = IPv4Address | IPv6Address

TCP: Final = 6
UDP: Final = 17
ICMP6: Final = 58
_EXTENSIONS: Final = frozenset({0, 43, 60})
"""Hop-by-hop, routing, destination options: their length is the second octet."""
_MOST_EXTENSIONS: Final = 4
_INWARD: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
)
"""Never an address of the open internet (RFC 1918, 6598, 3927, 5771); addresses for documentation count as public."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet's head; ports are 0 where the protocol has none or the packet is a later fragment."""

    source: Address
    destination: Address
    hops: int
    """What is left of the TTL or hop limit."""
    protocol: int
    payload: bytes = b""
    """What follows the IP header: a datagram, segment or message, maybe cut."""

    @property
    def ports(self) -> tuple[int, int]:
        """Source and destination port of TCP or UDP, zeros for everything else."""
        if self.protocol not in {TCP, UDP} or len(self.payload) < 4:
            return (0, 0)
        source, destination = struct.unpack_from("!HH", self.payload)
        return (source, destination)

    @property
    def datagram(self) -> bytes:
        """What a UDP datagram carries, maybe cut."""
        if self.protocol != UDP or len(self.payload) < 8:
            return b""
        (length,) = struct.unpack_from("!H", self.payload, 4)
        return self.payload[8 : max(length, 8)]


def parse(data: bytes) -> Packet:
    """Raises BadFrame."""
    if not data:
        raise BadFrame("an empty packet")
    match data[0] >> 4:
        case 4:
            return _version4(data)
        case 6:
            return _version6(data)
        case version:
            raise BadFrame(f"IP version {version}")


def is_public(address: Address) -> bool:
    """Whether the open internet could route to it."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _INWARD)
    return address.packed[0] >> 5 == 1


def is_private(address: Address) -> bool:
    """Whether it is of a customer's own range (RFC 1918); the provider's shared range (RFC 6598) is not."""
    return isinstance(address, IPv4Address) and any(
        address in network for network in (_INWARD[1], _INWARD[5], _INWARD[6])
    )


def _version4(data: bytes) -> Packet:
    head = (data[0] & 0x0F) * 4
    if head < 20 or len(data) < head:
        raise BadFrame("IPv4 header overruns the packet")
    (length,) = struct.unpack_from("!H", data, 2)
    (fragment,) = struct.unpack_from("!H", data, 6)
    rest = data[head : max(length, head)] if not fragment & 0x1FFF else b""
    return Packet(IPv4Address(data[12:16]), IPv4Address(data[16:20]), data[8], data[9], rest)


def _version6(data: bytes) -> Packet:
    if len(data) < 40:
        raise BadFrame(f"IPv6 of {len(data)} bytes")
    (length,) = struct.unpack_from("!H", data, 4)
    protocol, rest = data[6], data[40 : 40 + length]
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS or len(rest) < 8:
            break
        protocol, rest = rest[0], rest[8 + rest[1] * 8 :]
    return Packet(IPv6Address(data[8:24]), IPv6Address(data[24:40]), data[7], protocol, rest)
