"""What a TCP connection's first segment says of its sender's system: options and their order, hops travelled (RFC 9293 3.2). Pure.

Operating systems order the options of a SYN each in its own way, and start with a TTL of 64, 128 or 255; what is missing was
taken by the routers between. Passive fingerprinting: M. Zalewski, p0f.
"""

import struct
from dataclasses import dataclass
from typing import Final

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.internet import TCP, Address, Packet

_NAMES: Final = {2: "mss", 3: "ws", 4: "sok", 8: "ts"}
STARTS: Final = (32, 64, 128, 255)
"""TTLs that systems begin with."""
_MOST_OPTIONS: Final = 16
_SYN, _ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class Opening:
    """A SYN, or a SYN with ACK (`answers`)."""

    source: Address
    destination: Address
    answers: bool
    hops: int
    """What is left of the TTL."""
    options: tuple[str, ...]
    port: int = 0
    """Of the server, whichever end that is."""

    @property
    def start(self) -> int:
        """The TTL it most likely left with."""
        return next(start for start in STARTS if start >= self.hops)

    @property
    def travelled(self) -> int:
        """How many routers it has passed."""
        return self.start - self.hops

    @property
    def stack(self) -> str:
        """A name for the sender's TCP, e.g. `64:mss,sok,ts,nop,ws`."""
        return f"{self.start}:{','.join(self.options)}"


def parse(packet: Packet) -> Opening | None:
    """None for a segment that opens nothing. Raises BadFrame."""
    data = packet.payload
    if packet.protocol != TCP:
        return None
    if len(data) < 20:
        raise BadFrame(f"TCP of {len(data)} bytes")
    if not data[13] & _SYN:
        return None
    options = _options(data[20 : (data[12] >> 4) * 4])
    answers = bool(data[13] & _ACK)
    port = packet.ports[0 if answers else 1]
    return Opening(packet.source, packet.destination, answers, packet.hops, options, port)


def _options(data: bytes) -> tuple[str, ...]:
    found: list[str] = []
    offset = 0
    while offset < len(data) and data[offset] != 0 and len(found) < _MOST_OPTIONS:
        kind = data[offset]
        found.append("nop" if kind == 1 else _NAMES.get(kind, str(kind)))
        if kind == 1:
            offset += 1
            continue
        (length,) = struct.unpack_from("!B", data, offset + 1) if offset + 1 < len(data) else (0,)
        if length < 2:
            break
        offset += length
    return tuple(found)
