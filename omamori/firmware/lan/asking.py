"""Questions to everybody: who gives out addresses (DHCP, RFC 2131 4.4.1), who speaks IPv6 (echo to all nodes, RFC 4443 4.1). Pure frames.

The DHCP question is asked with the client identifier of the unit's own client, so that a server offers the address it gave before
and sets no other aside; an offer is never taken.
"""

import struct
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Final

from omamori.firmware.lan.ethernet import BROADCAST, EtherType, mac_octets
from omamori.protocol.ids import Mac

DHCP_AFTER: Final = (timedelta(seconds=2), timedelta(seconds=10))
DHCP_EVERY: Final = timedelta(minutes=3)
NODES_AFTER: Final = (timedelta(seconds=3),)
NODES_EVERY: Final = timedelta(hours=1)
_ALL_NODES: Final = IPv6Address("ff02::1")
_BROADCAST_FLAG: Final = 0x8000


def discover(mac: Mac, transaction: int) -> bytes:
    """A DHCPDISCOVER as a whole frame."""
    octets = mac_octets(mac)
    fixed = struct.pack("!BBBBIHH", 1, 1, 6, 0, transaction, 0, _BROADCAST_FLAG) + bytes(16)
    asked = bytes([55, 4, 1, 3, 6, 51])
    identifier = bytes([61, 7, 1]) + octets
    options = b"\x63\x82\x53\x63" + bytes([53, 1, 1]) + identifier + asked + b"\xff"
    body = (fixed + octets.ljust(16, b"\0") + bytes(192) + options).ljust(300, b"\0")
    datagram = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    packet = head[:10] + struct.pack("!H", checksum(head)) + head[12:] + datagram
    return mac_octets(BROADCAST) + octets + EtherType.IPV4.to_bytes(2, "big") + packet


def all_nodes(mac: Mac, source: IPv6Address, identifier: int) -> bytes:
    """An echo request to all nodes; whoever answers first asks for our address, which shows its own."""
    body = struct.pack("!BBHHH", 128, 0, 0, identifier, 1) + b"omamori\0"
    pseudo = source.packed + _ALL_NODES.packed + struct.pack("!II", len(body), 58)
    message = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    head = struct.pack("!IHBB", 6 << 28, len(message), 58, 1) + source.packed + _ALL_NODES.packed
    return (
        bytes.fromhex("333300000001") + mac_octets(mac) + EtherType.IPV6.to_bytes(2, "big") + head + message
    )


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
