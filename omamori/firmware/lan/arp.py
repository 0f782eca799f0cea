"""ARP for IPv4 over Ethernet (RFC 826; probes and announcements: RFC 5227). Pure."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.ethernet import mac_octets, mac_text
from omamori.protocol.ids import Mac

_HEAD = struct.Struct("!HHBBH6s4s6s4s")
_NOBODY = Mac("00:00:00:00:00:00")


class Operation(IntEnum):
    """The two that matter; reverse and inverse ARP are refused."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class Arp:
    """One request or reply."""

    operation: Operation
    sender: Mac
    sender_address: IPv4Address
    target: Mac
    target_address: IPv4Address

    @property
    def claims(self) -> IPv4Address | None:
        """The address the sender says is its own; None in a probe (RFC 5227 2.1.1)."""
        return None if self.sender_address.is_unspecified else self.sender_address


def parse(data: bytes) -> Arp:
    """Raises BadFrame."""
    if len(data) < _HEAD.size:
        raise BadFrame(f"ARP of {len(data)} bytes")
    hardware, protocol, hlen, plen, operation, sender, sender_ip, target, target_ip = _HEAD.unpack_from(data)
    if (hardware, protocol, hlen, plen) != (1, 0x0800, 6, 4):
        raise BadFrame("ARP that is not IPv4 over Ethernet")
    if operation not in {1, 2}:
        raise BadFrame(f"ARP operation {operation}")
    return Arp(
        Operation(operation),
        mac_text(sender),
        IPv4Address(sender_ip),
        mac_text(target),
        IPv4Address(target_ip),
    )


def request(sender: Mac, sender_address: IPv4Address, target_address: IPv4Address) -> bytes:
    """The ARP part of a broadcast request."""
    octets = (mac_octets(sender), sender_address.packed, mac_octets(_NOBODY), target_address.packed)
    return _HEAD.pack(1, 0x0800, 6, 4, Operation.REQUEST, *octets)
