"""Packets inside packets: what a tunnel in the clear carries is traffic of the hosts behind it, and inspected as such.

Known are IP in IP (RFC 2003, 4213), GRE (RFC 2784, 2890, 7637) with IP, Ethernet, PPP or ERSPAN inside, VXLAN (RFC 7348),
Geneve (RFC 8926) and Teredo (RFC 4380). Only lengths that are there are read; what is none of them has nothing inside.
"""

from omamori.firmware.engine.packet import UDP, Packet

DEPTH = 3
"""Tunnels inside tunnels that are followed."""
_IPV4, _IPV6, _GRE = 4, 41, 47
_ETHERNET_IN_GRE, _PPP_IN_GRE, _ERSPAN2, _ERSPAN3 = 0x6558, 0x880B, 0x88BE, 0x22EB
_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
_MAX_TAGS = 4
_VXLAN, _GENEVE, _TEREDO = 4789, 6081, 3544
_PORTS = frozenset((_VXLAN, _GENEVE, _TEREDO))


def inside(packet: Packet) -> bytes | None:
    """The IP packet that this one carries; None where there is none."""
    if packet.protocol == UDP:
        known = packet.destination_port in _PORTS or packet.source_port == _TEREDO
        return _in_datagram(packet) if known else None
    if packet.protocol in (_IPV4, _IPV6):
        return _if_ip(packet.payload)
    return _in_gre(packet.payload) if packet.protocol == _GRE else None


def _in_datagram(packet: Packet) -> bytes | None:
    data = packet.payload
    if packet.destination_port == _VXLAN:
        return _in_ethernet(data[8:]) if len(data) > 8 and data[0] & 8 else None
    if packet.destination_port == _GENEVE:
        if len(data) < 8 or data[0] >> 6:
            return None
        return _by_type(int.from_bytes(data[2:4], "big"), data[8 + (data[0] & 63) * 4 :])
    return _in_teredo(data)


def _in_teredo(data: bytes) -> bytes | None:
    if data[:2] == b"\0\1" and len(data) >= 13:  # authentication
        data = data[13 + data[2] + data[3] :]
    if data[:2] == b"\0\0":  # origin
        data = data[8:]
    whole = len(data) >= 40 and data[0] >> 4 == 6 and 40 + int.from_bytes(data[4:6], "big") == len(data)
    return data if whole else None


def _in_gre(data: bytes) -> bytes | None:
    if len(data) < 4:
        return None
    flags, kind = data[0], int.from_bytes(data[2:4], "big")
    version = data[1] & 7
    if version > 1:
        return None
    at = 4 + 4 * bool(flags & 0xC0) + 4 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
    if version == 1:
        at += 4 * bool(data[1] & 0x80)
    if kind == _ERSPAN2 and flags & 0x10:
        at += 8
    elif kind == _ERSPAN3:
        at += 12
    return _by_type(kind, data[at:])


def _by_type(kind: int, data: bytes) -> bytes | None:
    if kind in (0x0800, 0x86DD):
        return _if_ip(data)
    if kind in (_ETHERNET_IN_GRE, _ERSPAN2, _ERSPAN3):
        return _in_ethernet(data)
    return _in_ppp(data) if kind == _PPP_IN_GRE else None


def _in_ethernet(data: bytes) -> bytes | None:
    at = 12
    for _ in range(_MAX_TAGS):
        kind = int.from_bytes(data[at : at + 2], "big")
        if kind not in _TAGS:
            return _if_ip(data[at + 2 :]) if kind in (0x0800, 0x86DD) else None
        at += 4
    return None


def _in_ppp(data: bytes) -> bytes | None:
    if data[:2] == b"\xff\x03":
        data = data[2:]
    if data[:1] in (b"\x21", b"\x57"):  # the protocol field may be compressed
        return _if_ip(data[1:])
    return _if_ip(data[2:]) if data[:2] in (b"\x00\x21", b"\x00\x57") else None


def _if_ip(data: bytes) -> bytes | None:
    return data if len(data) >= 20 and data[0] >> 4 in (4, 6) else None
