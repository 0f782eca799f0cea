"""Whole IP packets of our own, for the two ends of a flow that a guard ended.

`back` answers the sender of a packet, `onward` takes a packet's place on its way to the receiver and keeps its IP header
(options and extension headers too), because the kernel lets nobody write another one. Checksums are always complete.
"""

from struct import Struct, pack

from omamori.firmware.engine.checksum import internet_checksum
from omamori.firmware.engine.packet import ACK, FIN, ICMP, ICMPV6, RST, SYN, TCP, UDP, Packet

_V4 = Struct("!BBHHHBBH4s4s")
_TCP = Struct("!HHIIBBHHH")
_WRAP = 1 << 32
_WINDOW = 0xFFFF
_HOPS = 64
_DONT_FRAGMENT = 0x4000
_PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
"""Type and code, RFC 792 and RFC 4443."""
_QUOTED = 512
"""Bytes of the refused packet that an ICMP error repeats."""


def answer(packet: Packet, payload: bytes, sequence: int, flags: int) -> bytes:
    """A TCP segment from the packet's receiver to its sender that acknowledges everything in the packet."""
    return _back(packet, TCP, _segment(packet, payload, sequence, after(packet), flags, turned=True))


def reset_sender(packet: Packet, sequence: int | None = None) -> bytes:
    """RFC 9293, 3.10.7.1: what a closed port would answer; or with the receiver's next sequence number, if known."""
    at = packet.acknowledgement if sequence is None else sequence
    return answer(packet, b"", at, RST | ACK)


def reset_receiver(packet: Packet) -> bytes:
    """In the packet's place: its sender gives up. The sequence number is the one the receiver waits for (RFC 5961)."""
    acknowledged = packet.flags & ACK
    return onward(
        packet,
        _segment(packet, b"", packet.sequence, packet.acknowledgement, RST | acknowledged, turned=False),
    )


def segment_onward(packet: Packet, payload: bytes, sequence: int, flags: int) -> bytes:
    """A TCP segment with another payload in the packet's place."""
    return onward(packet, _segment(packet, payload, sequence, packet.acknowledgement, flags, turned=False))


def datagram_back(packet: Packet, payload: bytes) -> bytes:
    """A UDP answer to the packet's sender."""
    return _back(packet, UDP, _datagram(packet, payload, turned=True))


def datagram_onward(packet: Packet, payload: bytes) -> bytes:
    """Another UDP payload in the packet's place."""
    return onward(packet, _datagram(packet, payload, turned=False))


def unreachable(packet: Packet) -> bytes:
    """ICMP port unreachable to the packet's sender, as from the receiver itself."""
    kind, code = _PORT_UNREACHABLE[packet.version]
    body = pack("!BBHI", kind, code, 0, 0) + packet.data[: min(packet.end, _QUOTED)]
    return _back(packet, ICMP if packet.version == 4 else ICMPV6, body)


def after(packet: Packet) -> int:
    """The sequence number behind all that a segment carries."""
    marks = bool(packet.flags & SYN) + bool(packet.flags & FIN)
    return (packet.sequence + len(packet.payload) + marks) % _WRAP


def onward(packet: Packet, body: bytes) -> bytes:
    """The packet with another transport header and payload; not for fragments."""
    data = bytearray(packet.data[: packet.transport_at])
    if packet.version == 4:
        data[2:4] = (len(data) + len(body)).to_bytes(2, "big")
        data[10:12] = b"\0\0"
        data[10:12] = internet_checksum(bytes(data)).to_bytes(2, "big")
    else:
        data[4:6] = (len(data) - 40 + len(body)).to_bytes(2, "big")
    return bytes(data) + _checked(packet, packet.protocol, body)


def _back(packet: Packet, protocol: int, body: bytes) -> bytes:
    checked = _checked(packet, protocol, body)
    if packet.version == 6:
        head = pack("!IHBB", 6 << 28, len(body), protocol, _HOPS)
        return head + packet.destination + packet.source + checked
    fields = (0x45, 0, 20 + len(body), 0, _DONT_FRAGMENT, _HOPS, protocol)
    unsummed = _V4.pack(*fields, 0, packet.destination, packet.source)
    return _V4.pack(*fields, internet_checksum(unsummed), packet.destination, packet.source) + checked


def _segment(
    packet: Packet, payload: bytes, sequence: int, acknowledgement: int, flags: int, *, turned: bool
) -> bytes:
    source, destination = _ports(packet, turned=turned)
    window = 0 if flags & RST else _WINDOW
    return (
        _TCP.pack(source, destination, sequence % _WRAP, acknowledgement % _WRAP, 5 << 4, flags, window, 0, 0)
        + payload
    )


def _datagram(packet: Packet, payload: bytes, *, turned: bool) -> bytes:
    return pack("!HHHH", *_ports(packet, turned=turned), 8 + len(payload), 0) + payload


def _ports(packet: Packet, *, turned: bool) -> tuple[int, int]:
    ports = (packet.source_port, packet.destination_port)
    return (ports[1], ports[0]) if turned else ports


_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}


def _checked(packet: Packet, protocol: int, body: bytes) -> bytes:
    """With its checksum, whose field is zero; the sum over the addresses does not depend on the direction."""
    start = 0
    if protocol != ICMP:
        start = int.from_bytes(packet.source + packet.destination, "big") + protocol + len(body)
    checksum = internet_checksum(body, start)
    if protocol == UDP and checksum == 0:
        checksum = 0xFFFF
    at = _CHECKSUM_AT[protocol]
    return body[:at] + checksum.to_bytes(2, "big") + body[at + 2 :]
