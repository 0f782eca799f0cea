"""Which bytes of a stream are overwritten on the way: a set of ranges, applied alike to every copy of a segment.

A retransmission must carry what the first copy carried, so a range stays for as long as segments of it may come again.
"""

from bisect import bisect_right

FILLER = b" "
_KEPT_RANGES = 4096
"""A chunked body makes a range for each chunk; ranges this far back are not sent again."""


class Overwrites:
    """Disjoint ranges [begin, end) of stream offsets, added in rising order."""

    __slots__ = ("_begins", "_ends")

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._begins)

    def add(self, begin: int, end: int) -> None:
        """The part of it that lies before the newest range's end is there already."""
        if self._ends and begin <= self._ends[-1]:
            self._ends[-1] = max(self._ends[-1], end)
        elif begin < end:
            self._begins.append(begin)
            self._ends.append(end)
        if len(self._begins) > _KEPT_RANGES:
            del self._begins[0], self._ends[0]

    def ranges(self) -> list[tuple[int, int]]:
        return list(zip(self._begins, self._ends, strict=True))

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
                out[first - offset : last - offset] = FILLER * (last - first)
            index += 1
        return None if out is None else bytes(out)
