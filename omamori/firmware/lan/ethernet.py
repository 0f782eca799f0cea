"""Ethernet II frames with up to two VLAN tags (IEEE 802.3 3.2, 802.1Q 9). Pure; 802.3 length frames are refused."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from omamori.firmware.lan.errors import BadFrame
from omamori.protocol.ids import Mac

BROADCAST = Mac("ff:ff:ff:ff:ff:ff")
_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_MOST_TAGS = 2


class EtherType(IntEnum):
    """The payloads this room reads."""

    IPV4 = 0x0800
    ARP = 0x0806
    IPV6 = 0x86DD
    PPPOE_DISCOVERY = 0x8863
    PPPOE_SESSION = 0x8864


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its tags taken off."""

    destination: Mac
    source: Mac
    ethertype: int
    payload: bytes
    vlans: tuple[int, ...] = ()
    """VLAN ids, outermost first."""


def parse(data: bytes) -> Frame:
    """Raises BadFrame."""
    if len(data) < 14:
        raise BadFrame(f"{len(data)} bytes are no Ethernet frame")
    (ethertype,) = struct.unpack_from("!H", data, 12)
    offset = 14
    vlans: list[int] = []
    while ethertype in _TAGS:
        if len(data) < offset + 4 or len(vlans) == _MOST_TAGS:
            raise BadFrame("cut or too deep in VLAN tags")
        tag, ethertype = struct.unpack_from("!HH", data, offset)
        vlans.append(tag & 0x0FFF)
        offset += 4
    if ethertype < 0x0600:
        raise BadFrame("an 802.3 length, not an Ethernet II type")
    return Frame(mac_text(data[:6]), mac_text(data[6:12]), ethertype, data[offset:], tuple(vlans))


def mac_text(octets: bytes) -> Mac:
    """Six octets as text."""
    return Mac(octets.hex(":"))


def mac_octets(mac: Mac) -> bytes:
    """The six octets of a MAC address."""
    return bytes.fromhex(mac.replace(":", ""))


def is_station(mac: Mac) -> bool:
    """Whether this can be one device's address: not a group address and not all zero."""
    return not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00"


def is_private(mac: Mac) -> bool:
    """Whether the address was made up by software (the locally administered bit): phones' random addresses, VMs."""
    return bool(int(mac[:2], 16) & 2)
