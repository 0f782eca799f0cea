"""Capture files (pcap and pcapng) as IP packets with their times. A broken file gives what is whole, then CaptureError.

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; link types of tcpdump.org. Frames without IP are skipped and
counted by the caller: they are None.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, unpack_from
from typing import BinaryIO

MAX_FRAME = 1 << 20
"""Bytes; tcpdump writes 256 KiB at most."""
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
_SECTION = b"\x0a\x0d\x0d\x0a"
_TAGS = frozenset((0x8100, 0x88A8, 0x9100, 0x9200, 0x9300))
_MAX_TAGS = 8


class CaptureError(Exception):
    """Not a capture file, or it ends within a record."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`packet` is the IP packet in it, None where there is none."""

    time: float
    packet: bytes | None
    source_mac: bytes | None = None
    link: int = 1


def read_capture(path: Path) -> Iterator[Frame]:
    """Raises CaptureError, OSError."""
    with path.open("rb") as file:
        yield from frames(file, path.name)


def frames(file: BinaryIO, name: str) -> Iterator[Frame]:
    """As `read_capture`, from an open file that can seek. Raises CaptureError."""
    magic = file.read(4)
    if magic == _SECTION:
        yield from _pcapng(file)
    elif magic in _MAGIC:
        yield from _pcap(file, *_MAGIC[magic])
    else:
        raise CaptureError(
            f"{name} is no capture file (pcap or pcapng): it begins with {magic.hex() or 'nothing'}"
        )


def _take(file: BinaryIO, size: int, what: str) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise CaptureError(f"the file ends within {what}: {len(data)} of {size} bytes")
    return data


def _pcap(file: BinaryIO, order: str, fraction: int) -> Iterator[Frame]:
    link = Struct(order + "I").unpack(_take(file, 20, "the file header")[16:20])[0] & 0xFFFF
    record = Struct(order + "IIII")
    while head := file.read(16):
        if len(head) != 16:
            raise CaptureError("the file ends within a record header")
        seconds, part, size, _ = record.unpack(head)
        if size > MAX_FRAME:
            raise CaptureError(f"a record of {size} bytes")
        yield _frame(seconds + part / fraction, _take(file, size, "a record"), link)


def _pcapng(file: BinaryIO) -> Iterator[Frame]:
    file.seek(0)
    order = "<"
    interfaces: list[tuple[int, float]] = []
    while head := file.read(8):
        if len(head) != 8:
            raise CaptureError("the file ends within a block header")
        if head[:4] == _SECTION:
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(file.read(4), "")
            if not order:
                raise CaptureError("a section without byte order")
            file.seek(-4, 1)
            interfaces = []
        kind, size = unpack_from(order + "II", head)
        if not 12 <= size <= MAX_FRAME + 4096 or size % 4:
            raise CaptureError(f"a block of {size} bytes")
        body = _take(file, size - 8, "a block")[:-4]
        if kind == 1:
            interfaces.append(_interface(body, order))
        elif kind in (3, 6) and (frame := _block(kind, body, order, interfaces)):
            yield frame


def _interface(body: bytes, order: str) -> tuple[int, float]:
    """(link type, seconds of one tick)"""
    if len(body) < 8:
        raise CaptureError("an interface block is cut short")
    (link,) = unpack_from(order + "H", body)
    at, tick = 8, 1e-6
    while at + 4 <= len(body):
        code, size = unpack_from(order + "HH", body, at)
        if code == 0:
            break
        if code == 9 and size >= 1 and at + 5 <= len(body):
            exponent = body[at + 4]
            tick = 2.0 ** -(exponent & 127) if exponent & 128 else 10.0**-exponent
        at += 4 + size + -size % 4
    return link, tick


def _block(kind: int, body: bytes, order: str, interfaces: list[tuple[int, float]]) -> Frame | None:
    """An enhanced (6) or simple (3) packet block."""
    if kind == 3:
        (size,) = unpack_from(order + "I", body) if len(body) >= 4 else (0,)
        number, time, data = 0, 0, body[4 : 4 + size]
    else:
        if len(body) < 20:
            raise CaptureError("a packet block is cut short")
        number, high, low, size = unpack_from(order + "IIII", body)
        time, data = high << 32 | low, body[20 : 20 + size]
    if number >= len(interfaces):
        raise CaptureError(f"a packet of interface {number}, which is not described")
    link, tick = interfaces[number]
    return _frame(time * tick, data, link)


def _frame(time: float, data: bytes, link: int) -> Frame:
    mac = data[6:12] if link == 1 and len(data) >= 12 else None
    return Frame(time, ip_packet(data, link), mac, link)


def ip_packet(data: bytes, link: int) -> bytes | None:
    """The IP packet inside a frame of that link type; None where there is none that is known."""
    match link:
        case 1:
            return _ethernet(data, 12)
        case 12 | 14 | 101 | 228 | 229:
            return _if_ip(data)
        case 0 | 108:
            return _if_ip(data[4:])
        case 113:
            return _ethernet(data, 14)
        case 276:
            return _by_type(data, data[0:2], 20)
        case 104:
            return _by_type(data, data[2:4], 4)
        case 9 | 50:
            return _ppp(data[2:] if data[:2] == b"\xff\x03" else data)
        case _:
            return None


def _ethernet(data: bytes, at: int) -> bytes | None:
    for _ in range(_MAX_TAGS):
        if len(data) < at + 2:
            return None
        if int.from_bytes(data[at : at + 2], "big") not in _TAGS:
            return _by_type(data, data[at : at + 2], at + 2)
        at += 4
    return None


def _by_type(data: bytes, kind: bytes, at: int) -> bytes | None:
    match kind:
        case b"\x08\x00" | b"\x86\xdd":
            return _if_ip(data[at:])
        case b"\x88\x64":
            return _ppp(data[at + 6 :])
        case b"\x89\x4f":
            return _service_header(data[at:])
        case b"\x81\x00" | b"\x88\xa8":
            return _ethernet(data, at + 2)
        case _:
            return None


def _service_header(data: bytes) -> bytes | None:
    """Network service header (RFC 8300) with IP or Ethernet behind it."""
    if len(data) < 8:
        return None
    inside = data[(data[1] & 63) * 4 :]
    return _ethernet(inside, 12) if data[3] == 3 else _if_ip(inside)


def _ppp(data: bytes) -> bytes | None:
    if data[:1] in (b"\x21", b"\x57"):  # the protocol in one byte (RFC 1661, 6.5)
        return _if_ip(data[1:])
    return _if_ip(data[2:]) if data[:2] in (b"\x00\x21", b"\x00\x57") else None


def _if_ip(data: bytes) -> bytes | None:
    return data if data and data[0] >> 4 in (4, 6) else None
