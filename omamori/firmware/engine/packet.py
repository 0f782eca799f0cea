"""One IP packet: where its headers lie and what they say.

`parse` never reads beyond the lengths that the packet states nor beyond the bytes it was given, and refuses anything
inconsistent with a PacketError. Checksums are not verified: the kernel did, or a GSO packet has none yet. Only what every
packet needs is taken out at once; the rest are properties read from the bytes when a rule asks.
"""

from struct import Struct

from omamori.firmware.engine.errors import PacketError

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
RESERVED, DONT_FRAGMENT, MORE_FRAGMENTS = 4, 2, 1
"""Bits of `Packet.fragment_bits`."""

_V4 = Struct("!BBHHHBBH4s4s")
_V6 = Struct("!IHBB16s16s")
_PORTS = Struct("!HH")
_TCP = Struct("!HHIIBBH")
_WORD = Struct("!H")
_NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6", SCTP: "sctp"}
_ROUTING, _FRAGMENT, _AUTHENTICATION = 43, 44, 51
_EXTENSIONS = frozenset((0, _ROUTING, _FRAGMENT, _AUTHENTICATION, 60, 135, 139, 140))
_MAX_EXTENSIONS = 250
"""More do not fit into an Ethernet frame, where only an attacker has more than a few."""


class Packet:
    """A parsed packet. Addresses are packed; offsets count from the start of `data`."""

    __slots__ = (
        "acknowledgement",
        "data",
        "destination",
        "destination_port",
        "end",
        "flags",
        "fragment_bits",
        "fragment_id",
        "fragment_offset",
        "payload",
        "payload_at",
        "protocol",
        "sequence",
        "source",
        "source_port",
        "transport_at",
        "ttl",
        "verified",
        "version",
        "window",
    )
    data: bytes
    version: int
    """4 or 6."""
    source: bytes
    destination: bytes
    protocol: int
    """Number of the transport protocol, after IPv6 extension headers."""
    ttl: int
    """Or hop limit."""
    fragment_id: int
    """The IPv4 identification, or that of an IPv6 fragment header (else 0)."""
    fragment_bits: int
    fragment_offset: int
    """In bytes."""
    transport_at: int
    payload_at: int
    end: int
    """Where the packet ends by its own length; link-layer padding lies beyond."""
    payload: bytes
    """What the transport carries; for a fragment and an unknown protocol all after the IP header."""
    source_port: int
    destination_port: int
    flags: int
    """TCP flags, else 0."""
    sequence: int
    acknowledgement: int
    window: int
    verified: bool
    """Whoever brought it knows that its checksum is right."""

    @property
    def is_fragment(self) -> bool:
        return self.fragment_offset > 0 or bool(self.fragment_bits & MORE_FRAGMENTS)

    @property
    def protocol_name(self) -> str:
        """`tcp`, `udp`, `icmp`, `icmpv6`, `sctp`, or `ip` for the rest."""
        return _NAMES.get(self.protocol, "ip")

    @property
    def tos(self) -> int:
        if self.version == 4:
            return self.data[1]
        return (self.data[0] & 15) << 4 | self.data[1] >> 4

    @property
    def ip_options(self) -> bytes:
        """IPv4 options as they are; empty for IPv6."""
        return self.data[20 : (self.data[0] & 15) * 4] if self.version == 4 else b""

    @property
    def has_tcp(self) -> bool:
        """A whole TCP header is there (not so in later fragments)."""
        return self.protocol == TCP and self.payload_at > self.transport_at

    @property
    def urgent(self) -> int:
        return int(_WORD.unpack_from(self.data, self.transport_at + 18)[0]) if self.has_tcp else 0

    @property
    def tcp_options(self) -> bytes:
        return self.data[self.transport_at + 20 : self.payload_at] if self.has_tcp else b""

    @property
    def tcp_mss(self) -> int | None:
        """The maximum segment size option, where it is well-formed."""
        options, at = self.tcp_options, 0
        while at < len(options) and options[at] != 0:
            if options[at] == 1:
                at += 1
                continue
            if at + 1 >= len(options) or options[at + 1] < 2:
                return None
            if options[at] == 2 and options[at + 1] == 4 and at + 4 <= len(options):
                return int(_WORD.unpack_from(options, at + 2)[0])
            at += options[at + 1]
        return None

    @property
    def has_icmp(self) -> bool:
        return self.protocol in (ICMP, ICMPV6) and self.payload_at > self.transport_at

    @property
    def icmp_type(self) -> int:
        """0 where there is no ICMP header; ask `has_icmp` first."""
        return self.data[self.transport_at] if self.has_icmp else 0

    @property
    def icmp_code(self) -> int:
        return self.data[self.transport_at + 1] if self.has_icmp else 0

    @property
    def icmp_id(self) -> int:
        return int(_WORD.unpack_from(self.data, self.transport_at + 4)[0]) if self.has_icmp else 0

    @property
    def icmp_sequence(self) -> int:
        return int(_WORD.unpack_from(self.data, self.transport_at + 6)[0]) if self.has_icmp else 0


def parse(data: bytes | bytearray | memoryview) -> Packet:
    """An IPv4 or IPv6 packet of up to 64 KiB, without link-layer header. Raises PacketError."""
    if type(data) is not bytes:
        data = bytes(data)
    if not data:
        raise PacketError("empty packet")
    packet = Packet()
    packet.data, packet.verified = data, False
    version = data[0] >> 4
    if version == 4:
        _parse_v4(packet, data)
    elif version == 6:
        _parse_v6(packet, data)
    else:
        raise PacketError(f"IP version {version}")
    _parse_transport(packet, data)
    return packet


def oddities(packet: Packet) -> frozenset[str]:
    """Suricata's names of what is odd about its IPv6 extension headers (`decode-event`)."""
    data, following, at, found = packet.data, packet.data[6], 40, []
    while following in _EXTENSIONS and at < packet.transport_at:
        if following == _ROUTING and data[at + 2] == 0:
            found.append("ipv6.rh_type_0")  # forbidden by RFC 5095
        if following == _FRAGMENT and not packet.is_fragment:
            found.append("ipv6.exthdr_useless_fh")
        following, at = data[at], at + _extension_size(data, following, at)
    return frozenset(found)


def _extension_size(data: bytes, kind: int, at: int) -> int:
    if kind == _FRAGMENT:
        return 8
    return (data[at + 1] + 2) * 4 if kind == _AUTHENTICATION else (data[at + 1] + 1) * 8


def _parse_v4(packet: Packet, data: bytes) -> None:
    if len(data) < 20:
        raise PacketError(f"{len(data)} bytes are too short for an IPv4 header")
    first, _, total, packet.fragment_id, fragment, packet.ttl, packet.protocol, _, source, destination = (
        _V4.unpack_from(data)
    )
    header = (first & 15) * 4
    # Zero is what segmentation offload writes for packets over 64 KiB.
    end = total or len(data)
    if header < 20 or end < header or end > len(data):
        raise PacketError(f"IPv4 header of {header}, total of {total}, but {len(data)} bytes")
    packet.version, packet.source, packet.destination = 4, source, destination
    packet.fragment_bits, packet.fragment_offset = fragment >> 13, (fragment & 0x1FFF) * 8
    packet.transport_at, packet.end = header, end


def _parse_v6(packet: Packet, data: bytes) -> None:
    if len(data) < 40:
        raise PacketError(f"{len(data)} bytes are too short for an IPv6 header")
    _, length, following, packet.ttl, source, destination = _V6.unpack_from(data)
    end = 40 + length if length else len(data)
    if end > len(data):
        raise PacketError(f"IPv6 payload of {length}, but {len(data)} bytes")
    packet.version, packet.source, packet.destination, packet.end = 6, source, destination, end
    packet.fragment_id = packet.fragment_bits = packet.fragment_offset = 0
    if following in _EXTENSIONS:
        packet.protocol, packet.transport_at = _skip_extensions(packet, data, following)
    else:
        packet.protocol, packet.transport_at = following, 40


def _skip_extensions(packet: Packet, data: bytes, following: int) -> tuple[int, int]:
    at = 40
    for _ in range(_MAX_EXTENSIONS + 1):
        if following not in _EXTENSIONS or packet.fragment_offset:
            return following, at
        if at + 8 > packet.end:
            raise PacketError(f"IPv6 extension header {following} is cut short")
        size = _extension_size(data, following, at)
        if following == _FRAGMENT:
            word = _WORD.unpack_from(data, at + 2)[0]
            packet.fragment_offset, packet.fragment_bits = word & 0xFFF8, word & 1
            packet.fragment_id = int.from_bytes(data[at + 4 : at + 8], "big")
        following, at = data[at], at + size
        if at > packet.end:
            raise PacketError(f"IPv6 extension header of {size} bytes is cut short")
        if packet.fragment_bits & MORE_FRAGMENTS:
            return following, at
    raise PacketError(f"more than {_MAX_EXTENSIONS} IPv6 extension headers")


def _parse_transport(packet: Packet, data: bytes) -> None:
    at, end, protocol = packet.transport_at, packet.end, packet.protocol
    packet.source_port = packet.destination_port = 0
    packet.flags = packet.sequence = packet.acknowledgement = packet.window = 0
    packet.payload_at = at
    if packet.fragment_offset or packet.fragment_bits & MORE_FRAGMENTS:
        packet.payload = data[at:end]
        return
    if protocol == TCP:
        end = _parse_tcp(packet, data, at, end)
    elif protocol == UDP:
        end = _parse_udp(packet, data, at, end)
    elif protocol in (ICMP, ICMPV6):
        if at + 8 > end:
            raise PacketError("ICMP header is cut short")
        packet.payload_at = at + 8
    elif protocol == SCTP and at + 12 <= end:
        packet.source_port, packet.destination_port = _PORTS.unpack_from(data, at)
        packet.payload_at = at + 12
    packet.payload = data[packet.payload_at : end]


def _parse_tcp(packet: Packet, data: bytes, at: int, end: int) -> int:
    if at + 20 > end:
        raise PacketError("TCP header is cut short")
    (
        packet.source_port,
        packet.destination_port,
        packet.sequence,
        packet.acknowledgement,
        offset,
        packet.flags,
        packet.window,
    ) = _TCP.unpack_from(data, at)
    packet.payload_at = at + (offset >> 4) * 4
    if packet.payload_at < at + 20 or packet.payload_at > end:
        raise PacketError(f"TCP header of {(offset >> 4) * 4} bytes")
    return end


def _parse_udp(packet: Packet, data: bytes, at: int, end: int) -> int:
    if at + 8 > end:
        raise PacketError("UDP header is cut short")
    packet.source_port, packet.destination_port = _PORTS.unpack_from(data, at)
    length = _WORD.unpack_from(data, at + 4)[0]
    packet.payload_at = at + 8
    if length == 0:  # a jumbogram, or segmentation offload
        return end
    if length < 8 or at + length > end:
        raise PacketError(f"UDP length of {length}, but {end - at} bytes")
    return int(at + length)
