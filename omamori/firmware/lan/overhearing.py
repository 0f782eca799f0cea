"""The first words of programs (`client`), by a packet socket of its own on each port, so that they never crowd out what names hosts.

The kernel's filter takes segments that begin like a web request or a TLS hello, whatever their port, and what may be a hello's second
segment: short, pushed, to port 443, and not the beginning of a record. Of UDP it takes the packets that open a QUIC connection, by their
long header and version. They are fetched once a look and only so many: what does not fit into the buffer until then is dropped in the
kernel, so a busy network costs no more than a quiet one. A sample is enough.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Final, Self

from omamori.firmware.lan import bpf, ethernet, internet
from omamori.firmware.lan.bpf import Op
from omamori.firmware.lan.capture import Capture, Captured
from omamori.firmware.lan.client import ClientReader
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.ethernet import EtherType
from omamori.firmware.lan.sighting import Port, Sighting

MOST: Final = 40
"""Segments of one look at one port."""
_SIZE: Final = 4200
_BUFFER: Final = 128 * 1024
_SHORT: Final = 1300
"""Bytes; the rest of a hello is shorter, and a segment in the midst of something large is not."""
_BEGINNINGS: Final = (0x47455420, 0x504F5354, 0x48454144, 0x50555420, 0x4F505449, 0x434F4E4E)
"""GET, POST, HEAD, PUT, OPTIONS and CONNECT, four letters of each."""
_RECORDS: Final = (0x1403, 0x1503, 0x1703)
_QUIC_2: Final = 0x6B3343CF
"""Version 2 (RFC 9369), whose Initial packets have another type than those of version 1."""

# X holds 4 where one VLAN tag is left in the frame, else 0; then what leads to the transport header, then to what it carries, at offset 14.
FIRST_WORDS: Final = (
    Op(bpf.LDW, bpf.PACKET_TYPE),
    Op(bpf.JEQ, bpf.OUTGOING, yes="drop"),
    Op(bpf.LDH, 12),
    Op(bpf.JEQ, 0x8100, yes="tagged"),
    Op(bpf.JEQ, 0x88A8, yes="tagged"),
    Op(bpf.LDX, 0),
    Op(bpf.JA, 0, yes="type"),
    Op(bpf.LDX, 4, label="tagged"),
    Op(bpf.LDH_X, 12, label="type"),
    Op(bpf.JEQ, 0x0800, yes="version4"),
    Op(bpf.JEQ, 0x86DD, no="drop"),
    Op(bpf.LDB_X, 20),
    Op(bpf.ST, 1),
    Op(bpf.TXA),
    Op(bpf.ADD, 40),
    Op(bpf.TAX),
    Op(bpf.JA, 0, yes="transport"),
    Op(bpf.LDH_X, 20, label="version4"),
    Op(bpf.JSET, 0x1FFF, yes="drop"),
    Op(bpf.LDB_X, 23),
    Op(bpf.ST, 1),
    Op(bpf.LDB_X, 14),
    Op(bpf.AND, 0x0F),
    Op(bpf.LSH, 2),
    Op(bpf.ADD_X),
    Op(bpf.TAX),
    Op(bpf.LD_MEM, 1, label="transport"),
    Op(bpf.JEQ, 17, yes="datagram"),
    Op(bpf.JEQ, 6, no="drop"),
    Op(bpf.TXA),
    Op(bpf.ST, 0),
    Op(bpf.LDB_X, 26),
    Op(bpf.AND, 0xF0),
    Op(bpf.RSH, 2),
    Op(bpf.ADD_X),
    Op(bpf.TAX),
    Op(bpf.LDW_X, 14),
    *(Op(bpf.JEQ, word, yes="take") for word in _BEGINNINGS),
    Op(bpf.RSH, 16),
    Op(bpf.JEQ, 0x1603, yes="record"),
    *(Op(bpf.JEQ, record, yes="drop") for record in _RECORDS),
    Op(bpf.LENGTH),
    Op(bpf.SUB_X),
    Op(bpf.JGT, 14 + _SHORT, yes="drop"),
    Op(bpf.LDX_MEM, 0),
    Op(bpf.LDH_X, 16),
    Op(bpf.JEQ, 443, no="drop"),
    Op(bpf.LDB_X, 27),
    Op(bpf.JSET, 0x08, yes="take", no="drop"),
    Op(bpf.LDB_X, 19, label="record"),
    Op(bpf.JEQ, 1, yes="take", no="drop"),
    Op(bpf.LDH_X, 16, label="datagram"),
    Op(bpf.JEQ, 443, no="drop"),
    Op(bpf.LDW_X, 23),
    Op(bpf.JEQ, 1, yes="initial"),
    Op(bpf.JEQ, _QUIC_2, no="drop"),
    Op(bpf.LDB_X, 22),
    Op(bpf.AND, 0xF0),
    Op(bpf.JEQ, 0xD0, yes="take", no="drop"),
    Op(bpf.LDB_X, 22, label="initial"),
    Op(bpf.AND, 0xF0),
    Op(bpf.JEQ, 0xC0, no="drop"),
    Op(bpf.RET, _SIZE, label="take"),
    Op(bpf.RET, 0, label="drop"),
)


class Overhearing:
    """Both ports. Use it in a `with`."""

    def __init__(self, names: Mapping[Port, str]) -> None:
        self._names, self._reader, self._stack = names, ClientReader(), ExitStack()
        self._captures: dict[Port, Capture] = {}

    def __enter__(self) -> Self:
        """Raises PortMissing."""
        with ExitStack() as stack:
            for port, name in self._names.items():
                capture = Capture(name, FIRST_WORDS, size=_SIZE, buffer=_BUFFER)
                self._captures[port] = stack.enter_context(capture)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sightings(self, now: datetime) -> Iterator[Sighting]:
        """What was heard since the last call, at most `MOST` segments of each port."""
        for port, capture in self._captures.items():
            for captured in capture.frames(most=MOST):
                if sighting := read(captured, self._reader, port=port, time=now):
                    yield sighting


def read(captured: Captured, reader: ClientReader, *, port: Port, time: datetime) -> Sighting | None:
    """None for a frame that says nothing, or nothing that can be read."""
    try:
        frame = ethernet.parse(captured.data)
        if frame.ethertype not in {EtherType.IPV4, EtherType.IPV6} or not ethernet.is_station(frame.source):
            return None
        said = reader.read(internet.parse(frame.payload), time)
    except BadFrame:
        return None
    vlans = () if captured.tag is None else (captured.tag,)
    return Sighting(time, port, frame.source, said, vlans + frame.vlans, frame.destination) if said else None
