"""Replacing a packet's payload: same length, checksums right again, every other byte as it was.

The internet checksum (RFC 1071) is the one's complement of a sum modulo 65535, and 2**16 is 1 modulo 65535: so the whole
data taken as one big number has the same remainder as the sum of its words. That is the fastest way in Python.
"""

from struct import pack_into

from omamori.firmware.engine.packet import ICMP, ICMPV6, TCP, UDP, Packet

_OFFLOADED = 9_100
"""Bytes of a segment over which the kernel has put several together, after their checksums were verified."""
_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}


def internet_checksum(data: bytes, start: int = 0) -> int:
    """RFC 1071, over data of any length; `start` is a sum of 16-bit words to begin with."""
    padded = data if len(data) % 2 == 0 else data + b"\0"
    return -(int.from_bytes(padded, "big") + start) % 0xFFFF


def transport_checksum(packet: Packet, segment: bytes) -> int:
    """Of a TCP, UDP, ICMP or ICMPv6 segment whose checksum field is zero, sent between this packet's addresses."""
    if packet.protocol == ICMP:
        return internet_checksum(segment)
    addresses = int.from_bytes(packet.source + packet.destination, "big")
    checksum = internet_checksum(segment, addresses + packet.protocol + len(segment))
    return 0xFFFF if packet.protocol == UDP and checksum == 0 else checksum


def is_sound(packet: Packet) -> bool:
    """A receiver would take this TCP segment: its checksum is right, or not computed yet (RFC 1071; offloading leaves the
    sum of the pseudo header in its place), or absent in a capture.
    """
    at, end = packet.transport_at, packet.payload_at + len(packet.payload)
    size = end - at
    told = int.from_bytes(packet.data[at + 16 : at + 18], "big")
    if size > _OFFLOADED or told == 0:
        return True
    pseudo = int.from_bytes(packet.source + packet.destination, "big") + packet.protocol + size
    return told % 0xFFFF == pseudo % 0xFFFF or internet_checksum(packet.data[at:end], pseudo) == 0


def with_payload(packet: Packet, payload: bytes) -> bytes:
    """The whole IP packet with another payload of the same length. Not for fragments."""
    if len(payload) != len(packet.payload) or packet.is_fragment:
        raise ValueError("a payload is replaced at equal length in a whole packet only")
    data = bytearray(packet.data)
    data[packet.payload_at : packet.payload_at + len(payload)] = payload
    _refresh(packet, data)
    return bytes(data)


def _refresh(packet: Packet, data: bytearray) -> None:
    if packet.version == 4:
        header = (data[0] & 15) * 4
        data[10:12] = b"\0\0"
        pack_into("!H", data, 10, internet_checksum(bytes(data[:header])))
    field = _CHECKSUM_AT.get(packet.protocol)
    if field is None or _has_none(packet, data):
        return
    at = packet.transport_at
    data[at + field : at + field + 2] = b"\0\0"
    end = packet.payload_at + len(packet.payload)
    pack_into("!H", data, at + field, transport_checksum(packet, bytes(data[at:end])))


def _has_none(packet: Packet, data: bytearray) -> bool:
    """A UDP sender over IPv4 may leave the checksum out (RFC 768)."""
    field = packet.transport_at + 6
    return packet.protocol == UDP and packet.version == 4 and data[field : field + 2] == b"\0\0"
