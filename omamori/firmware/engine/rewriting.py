"""Which bytes of a stream are overwritten on the way, and by what: a set of ranges, applied alike to every copy of a segment.

A retransmission must carry what the first copy carried, so a range stays for as long as segments of it may come again. What
replaces a byte depends on that byte alone, never on its neighbours: so any cut of the stream gives the same result.
"""

from bisect import bisect_right
from enum import Enum

_KEPT_RANGES = 4096
"""A chunked body makes a range for each chunk; ranges this far back are not sent again."""
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _table(filler: int, kept: bytes) -> bytes:
    return bytes(byte if byte in kept else filler for byte in range(256))


class Filler(Enum):
    """What overwritten bytes become: the value maps each byte to its replacement."""

    SPACES = _table(0x20, b"")
    TEXT = _table(0x20, b"\r\n")
    """Lines stay lines, and none becomes a lone dot."""
    BASE64 = bytes((0x42 if byte == 0x41 else 0x41) if byte in _BASE64 else byte for byte in range(256))
    """Only letters of its alphabet are replaced, by others of it: padding, line ends and lengths stay, so it decodes.

    `A` becomes `B`, for the zeros at the end of many programs are written as `A`s and would stay what they are.
    """
    QUOTED = _table(0x41, b"\r\n=")
    """`=3D` becomes `=AA`; soft line breaks stay."""
    UUENCODED = _table(0x60, b"\r\n")
    """The lines' length letters are outside the ranges."""


class Overwrites:
    """Disjoint ranges [begin, end) of stream offsets, added in rising order."""

    __slots__ = ("_begins", "_ends", "_fillers")

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._fillers: list[Filler] = []

    def __bool__(self) -> bool:
        return bool(self._begins)

    def add(self, begin: int, end: int, filler: Filler = Filler.SPACES) -> None:
        """The part of it that lies before the newest range's end is there already."""
        if self._ends and begin <= self._ends[-1] and filler is self._fillers[-1]:
            self._ends[-1] = max(self._ends[-1], end)
            return
        if self._ends:
            begin = max(begin, self._ends[-1])
        if begin < end:
            self._begins.append(begin)
            self._ends.append(end)
            self._fillers.append(filler)
        if len(self._begins) > _KEPT_RANGES:
            del self._begins[0], self._ends[0], self._fillers[0]

    def add_lost(self, begin: int, end: int) -> None:
        """A part that was not seen, after the newest range and alike: in case that it comes late after all."""
        if self._fillers:
            self.add(begin, end, self._fillers[-1])

    def ranges(self) -> list[tuple[int, int, Filler]]:
        return list(zip(self._begins, self._ends, self._fillers, strict=True))

    def covers(self, begin: int, end: int) -> bool:
        """All of [begin, end) is overwritten."""
        index = bisect_right(self._begins, begin) - 1
        return index >= 0 and end <= self._ends[index]

    def applied(self, offset: int, data: bytes) -> bytes | None:
        """`data`, which lies at `offset`, with its part of the ranges overwritten; None if it has none."""
        end = offset + len(data)
        index = max(bisect_right(self._begins, offset) - 1, 0)
        out: bytearray | None = None
        while index < len(self._begins) and self._begins[index] < end:
            first, last = max(self._begins[index], offset), min(self._ends[index], end)
            if first < last:
                out = bytearray(data) if out is None else out
                part = slice(first - offset, last - offset)
                out[part] = out[part].translate(self._fillers[index].value)
            index += 1
        return None if out is None else bytes(out)
