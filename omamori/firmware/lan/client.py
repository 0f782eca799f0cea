"""What a client's first words say of its program: the User-Agent of a web request, the JA4 of a hello by TLS or QUIC. Bounded.

Of a TCP connection only the beginning of one segment is looked at, and of the next one where a hello came in two: hellos with keys
for the time after quantum computers are longer than a segment. Nothing of what is asked for is kept.
"""

import re
import struct
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from omamori.firmware.lan import software
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.hint import text
from omamori.firmware.lan.internet import TCP, UDP, Address, Packet
from omamori.firmware.lan.segment import STARTS
from omamori.firmware.lan.software import Software

if TYPE_CHECKING:
    from omamori.firmware.lan.quic_hello import QuicReader

MOST_HELLO: Final = 4096
"""Bytes of a hello; browsers' are half of it."""
MOST_BEGUN: Final = 32
"""Hellos of which the second segment is still to come."""
_WAIT: Final = timedelta(seconds=3)
_AGENT_CAP: Final = 200
_METHODS: Final = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN")
_AGENT: Final = re.compile(rb"\r\nuser-agent:[ \t]*([^\r\n]{1,400})", re.IGNORECASE)
_RECORD: Final = struct.Struct("!BHHBBH")
"""A TLS record's type, version and length; the message's type and its length, 8 and 16 bits of it (RFC 8446 5.1, 4)."""
_HANDSHAKE, _CLIENT_HELLO = 22, 1


@dataclass(frozen=True, slots=True)
class Client:
    """One program's word; at least one of the two was said."""

    source: Address
    hops: int
    """What is left of the TTL."""
    software: Software | None = None
    """What it was recognised as."""
    ja4: str = ""

    @property
    def travelled(self) -> int:
        """How many routers the packet has passed."""
        return next(start for start in STARTS if start >= self.hops) - self.hops


_Way: TypeAlias = tuple[Address, Address, int, int]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A hello's first segment."""

    data: bytes
    following: int
    """The sequence number of the next byte."""
    time: datetime


class ClientReader:
    """Puts hellos of several packets together; everything else needs no memory."""

    def __init__(self) -> None:
        self._begun: OrderedDict[_Way, _Begun] = OrderedDict()
        self._quic: QuicReader | None = None

    def read(self, packet: Packet, time: datetime) -> Client | None:
        """None for a packet that says nothing. Raises BadFrame."""
        if packet.protocol == UDP:
            return self._datagram(packet, time)
        sequence, data = _segment(packet)
        way = (packet.source, packet.destination, *packet.ports)
        begun = self._begun.pop(way, None)
        if data[:1] == b"\x16":
            return self._hello(packet, way, _Begun(data, sequence + len(data), time))
        if begun and sequence == begun.following & 0xFFFFFFFF and abs(time - begun.time) <= _WAIT:
            return self._hello(packet, way, _Begun(begun.data + data, sequence + len(data), begun.time))
        return _request(packet, data)

    def _datagram(self, packet: Packet, time: datetime) -> Client | None:
        """Raises BadFrame."""
        if self._quic is None:
            from omamori.firmware.lan.quic_hello import QuicReader

            self._quic = QuicReader()
        ja4 = self._quic.read(packet, time)
        return Client(packet.source, packet.hops, software.offering(ja4), ja4) if ja4 else None

    def _hello(self, packet: Packet, way: _Way, begun: _Begun) -> Client | None:
        body = _body(begun.data)
        if body is None:
            self._begun[way] = begun
            if len(self._begun) > MOST_BEGUN:
                self._begun.popitem(last=False)
            return None
        ja4 = _ja4(body)
        return Client(packet.source, packet.hops, software.offering(ja4), ja4)


def _segment(packet: Packet) -> tuple[int, bytes]:
    """Sequence number and payload. Raises BadFrame."""
    data = packet.payload
    if packet.protocol != TCP or len(data) < 20:
        raise BadFrame(f"no TCP: protocol {packet.protocol}, {len(data)} bytes")
    (sequence,) = struct.unpack_from("!I", data, 4)
    return sequence, data[(data[12] >> 4) * 4 :]


def _body(data: bytes) -> bytes | None:
    """The message in a record of one hello; None while some of it is still to come. Raises BadFrame."""
    if len(data) < 9:
        raise BadFrame(f"a TLS record of {len(data)} bytes")
    kind, version, length, message, high, low = _RECORD.unpack_from(data)
    inner = high << 16 | low
    if (kind, version >> 8, message) != (_HANDSHAKE, 3, _CLIENT_HELLO):
        raise BadFrame("no TLS hello")
    if inner + 4 > length or length > MOST_HELLO:
        raise BadFrame(f"a TLS hello of {inner} bytes in a record of {length}")
    return data[9 : 9 + inner] if len(data) >= 9 + inner else None


def _ja4(body: bytes) -> str:
    """Raises BadFrame. What takes hellos apart is loaded with the first one: a unit without hosts needs none of it."""
    from omamori.firmware.engine.applications.tls_hello import NotTls, parse_client

    try:
        return parse_client(body).ja4("t")
    except NotTls as error:
        raise BadFrame(f"no TLS hello: {error}") from error


def _request(packet: Packet, data: bytes) -> Client | None:
    found = _AGENT.search(data, 0, 4096) if data.startswith(_METHODS) else None
    agent = text(found[1], cap=_AGENT_CAP) if found else ""
    known = software.named(agent) if agent else None
    return Client(packet.source, packet.hops, known) if known else None
