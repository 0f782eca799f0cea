"""Put a download together from what the unit has already: its running slot, its boot entry or its packs, and the download itself.

A partial download is always a beginning of the whole file, piece after piece, so whatever stops this - a list that lies,
a server without ranges, a disk that cannot be read - leaves a beginning that an ordinary download goes on with. Nothing
here is trusted: each piece is checked against the list before it is written, and the whole file against the signed hash
by the caller. The running slot is only read. Memory: one piece, and about a hundred bytes for each piece at hand.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self, TypeAlias

from omamori.firmware.update.errors import BadHash, GiveWay
from omamori.protocol import chunks
from omamori.protocol.chunks import Chunk, Rule

Fetch: TypeAlias = Callable[[int, int], Iterator[bytes]]
"""The bytes from an offset to another one, from the server. Raises as the fetcher does."""

_BETWEEN: Final = 4096
"""Bytes at hand that are fetched nevertheless where what is missing lies on both sides."""
_SQUASHFS: Final = b"hsqs"
_USED: Final = struct.Struct("<40xQ")
"""`bytes_used` of a squashfs superblock (Linux, fs/squashfs/squashfs_fs.h); what follows it in a partition is old."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece is: in which of the files at hand, from which byte."""

    file: IO[bytes]
    offset: int


class AtHand:
    """The pieces of files this unit has, cut by the list's rule; use as a context manager. What cannot be read is not at hand."""

    def __init__(self, files: Iterable[Path], rule: Rule) -> None:
        self._places: dict[bytes, Place] = {}
        self._rule = rule
        self._stack = ExitStack()
        for path in files:
            self._take(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, name: bytes, file: IO[bytes], offset: int) -> None:
        """One more piece; where it is known already, the first place stays."""
        self._places.setdefault(name, Place(file, offset))

    def piece(self, chunk: Chunk) -> bytes | None:
        """Its bytes, where they still are what they were."""
        place = self._places.get(chunk.name)
        if place is None:
            return None
        try:
            place.file.flush()
            data = os.pread(place.file.fileno(), chunk.length, place.offset)
        except OSError:
            return None
        return data if chunks.name_of(data) == chunk.name else None

    def knows(self, chunk: Chunk) -> bool:
        """Whether it was seen."""
        return chunk.name in self._places

    def _take(self, path: Path) -> None:
        try:
            file = self._stack.enter_context(path.open("rb", buffering=0))
            offset = 0
            for piece in chunks.cut(_limited(file), self._rule):
                self.add(chunks.name_of(piece), file, offset)
                offset += len(piece)
        except OSError:
            return


def assemble(
    listed: Sequence[Chunk], part: IO[bytes], at_hand: AtHand, fetch: Fetch, urgent: Callable[[], bool]
) -> None:
    """Make the beginning in `part` the whole file. Raises GiveWay, BadHash, OSError, and what `fetch` raises.

    `part` is opened for reading and writing. Pieces that lie side by side are fetched with one request.
    """
    number, offset = _resume(listed, part, at_hand)
    while number < len(listed):
        run = _run(listed, number, at_hand)
        for chunk, piece in zip(run, _pieces(run, offset, at_hand, fetch), strict=True):
            part.write(piece)
            at_hand.add(chunk.name, part, offset)
            offset += chunk.length
            if urgent():
                raise GiveWay
        number += len(run)
    part.flush()
    os.fsync(part.fileno())


def _pieces(run: Sequence[Chunk], offset: int, at_hand: AtHand, fetch: Fetch) -> Iterator[bytes]:
    """The bytes of each piece of a run that begins at `offset`, as the list names them. Raises BadHash, and what `fetch` raises."""
    piece = at_hand.piece(run[0])
    if piece is not None:
        return iter((piece,))
    return _split(run, fetch(offset, offset + sum(chunk.length for chunk in run)))


def _resume(listed: Sequence[Chunk], part: IO[bytes], at_hand: AtHand) -> tuple[int, int]:
    """(the first piece that is not as it should be in `part`, its offset); `part` ends there afterwards."""
    part.seek(0)
    offset, number = 0, 0
    for chunk in listed:
        if chunks.name_of(part.read(chunk.length)) != chunk.name:
            break
        at_hand.add(chunk.name, part, offset)
        offset, number = offset + chunk.length, number + 1
    part.truncate(offset)
    part.seek(offset)
    return number, offset


def _run(listed: Sequence[Chunk], number: int, at_hand: AtHand) -> list[Chunk]:
    """The piece `number`, and where it is nowhere at hand those after it for which that is true as well, each once.

    Small ones between them that are at hand come along: a request costs more.
    """
    run = [listed[number]]
    if at_hand.knows(run[0]):
        return run
    names, between = {run[0].name}, 0
    for position in range(number + 1, len(listed)):
        chunk = listed[position]
        between = between + chunk.length if at_hand.knows(chunk) else 0
        if between > _BETWEEN or chunk.name in names:
            break
        run.append(chunk)
        names.add(chunk.name)
    while at_hand.knows(run[-1]):
        run.pop()
    return run


def _split(wanted: Sequence[Chunk], received: Iterator[bytes]) -> Iterator[bytes]:
    """What was received, cut where the pieces end. Raises BadHash where it is too short or other bytes; more is never read."""
    rest = b""
    for chunk in wanted:
        while len(rest) < chunk.length:
            block = next(received, None)
            if block is None:
                raise BadHash("the server sent less than was asked for")
            rest += block
        piece, rest = rest[: chunk.length], rest[chunk.length :]
        if chunks.name_of(piece) != chunk.name:
            raise BadHash("a piece is not what the list of pieces says")
        yield piece


def _limited(file: IO[bytes]) -> Callable[[int], bytes]:
    """Reads a partition as far as its squashfs goes, any other file to its end."""
    head = os.pread(file.fileno(), _USED.size, 0)
    known = head[:4] == _SQUASHFS and len(head) == _USED.size
    left = -(-_USED.unpack(head)[0] // 4096) * 4096 if known else None

    def read(size: int) -> bytes:
        nonlocal left
        if left is None:
            return file.read(size)
        data = file.read(min(size, left))
        left -= len(data)
        return data

    return read
