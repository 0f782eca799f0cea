"""The text of a pack's rules: lines in blocks, each compressed by itself, so that a unit keeps it as it lies in the file.

Where a block ends depends on its lines alone: rules that are added change theirs, and the next day's pack has most others as they were (decision 0017).

Of ten thousands of rules a unit reads a few hundred. Undivided their text would be a third of the memory that a pack needs, and
twice that while packs are exchanged. Reading believes nothing; the block read last is kept, for rules are read in order.

Layout, little endian: number of lines, number of blocks; for each block its first line, and the place and size of its bytes
behind this table; then the blocks (zlib), lines joined by line feeds.
"""

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, overload

from omamori.firmware.signatures.container import Altered, Data

_BLOCK: Final = 64 << 10
_SHORTEST: Final = 16 << 10
_MARK: Final = 64
"""One in so many lines ends a block that is not too short."""
_LONGEST: Final = 8 << 20
"""Bytes of a block; more than one line is in it only up to `_BLOCK`."""
_HEAD = struct.Struct("<II")
_ENTRY = struct.Struct("<III")


def dump_lines(lines: Sequence[bytes]) -> bytes:
    """Lines without line feeds. Raises ValueError."""
    table, blocks, at = [], [], 0
    for first, block in _blocks(lines):
        packed = zlib.compress(block, 9)
        table.append(_ENTRY.pack(first, at, len(packed)))
        blocks.append(packed)
        at += len(packed)
    return _HEAD.pack(len(lines), len(table)) + b"".join(table) + b"".join(blocks)


def _blocks(lines: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, lines)"""
    waiting: list[bytes] = []
    first = size = 0
    for number, line in enumerate(lines):
        if b"\n" in line or len(line) > _LONGEST:
            raise ValueError(f"line {number + 1} is none, or too long")
        if waiting and size + len(line) > _BLOCK:
            yield first, b"\n".join(waiting)
            waiting, first, size = [], number, 0
        waiting.append(line)
        size += len(line) + 1
        if size >= _SHORTEST and zlib.crc32(line) % _MARK == 0:
            yield first, b"\n".join(waiting)
            waiting, first, size = [], number + 1, 0
    if waiting:
        yield first, b"\n".join(waiting)


class Lines(Sequence[str]):
    """What `dump_lines` wrote, in place. Raises Altered for anything else, some of it only when it is read."""

    def __init__(self, raw: Data) -> None:
        self._count = 0
        try:
            self._count, blocks = _HEAD.unpack_from(raw)
            end = _HEAD.size + blocks * _ENTRY.size
            table = list(_ENTRY.iter_unpack(raw[_HEAD.size : end]))
        except struct.error as error:
            raise Altered(f"the rules' text has no table: {error}") from error
        self._firsts: list[int] = [first for first, _, _ in table]
        self._places = [(end + at, size) for _, at, size in table]
        self._raw = raw
        self._latest: tuple[int, list[bytes]] = (-1, [])
        bounds = [*self._firsts, self._count]
        if (
            len(table) != blocks
            or bounds[0]
            or any(one >= other for one, other in pairwise(bounds))
            or any(at + size > len(raw) for at, size in self._places)
        ):
            raise Altered("the table of the rules' text is wrong")

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[str]: ...
    def __getitem__(self, number: int | slice) -> str | Sequence[str]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(self._count))]
        number = range(self._count)[number]
        block = bisect_right(self._firsts, number) - 1
        if self._latest[0] != block:
            self._latest = block, self._read(block)
        return self._latest[1][number - self._firsts[block]].decode("latin-1")

    def _read(self, block: int) -> list[bytes]:
        at, size = self._places[block]
        unpacking = zlib.decompressobj()
        try:
            text = unpacking.decompress(self._raw[at : at + size], 2 * _LONGEST)
        except zlib.error as error:
            raise Altered(f"block {block} of the rules' text: {error}") from error
        lines = text.split(b"\n")
        if not unpacking.eof or len(lines) != [*self._firsts, self._count][block + 1] - self._firsts[block]:
            raise Altered(f"block {block} of the rules' text is not what the table says")
        return lines
