"""The list of pieces a large file consists of, so that a unit fetches only those it does not have yet (decision 0017).

Where a file is cut depends on its bytes alone: after a pair of bytes that random data has once in 16 KiB, within bounds. So
what an insertion moves is still cut the same way a little later. Such a list is only a hint where bytes may be found: what
was put together by it counts once the whole file has the hash that was signed. Pure; both sides cut by this rule, and
another rule needs another `MAGIC`.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from omamori.protocol.bundle import SIZE_CAP
from omamori.protocol.errors import Malformed

SUFFIX: Final = ".chunks"
"""The list of `firmware/x.bundle` is the target `firmware/x.bundle.chunks`."""
SHORTEST: Final = 4 * 1024
LONGEST: Final = 128 * 1024
"""Bytes of a piece; only the last of a file may be shorter."""
MAGIC: Final = b"OMACHNK1"
_MARK: Final = re.compile(rb"[\x00-\x03]\x2a", re.DOTALL)
_RECORD: Final = struct.Struct("<16sI")
_BLOCK: Final = 1024 * 1024
INDEX_CAP: Final = len(MAGIC) + (SIZE_CAP // SHORTEST + 1) * _RECORD.size
"""Bytes no list of an allowed file exceeds."""


class Chunk(NamedTuple):
    """One piece; `name` is the first 16 bytes of its SHA-256."""

    name: bytes
    length: int


def name_of(piece: bytes) -> bytes:
    """Long enough that nobody finds two; the whole file's own hash has the last word anyway."""
    return hashlib.sha256(piece).digest()[:16]


def cut(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The pieces of what `read` gives until it gives nothing, in a few megabytes of memory."""
    rest = b""
    while block := read(_BLOCK):
        rest += block
        start = 0
        while end := _end(rest, start):
            yield rest[start:end]
            start = end
        rest = rest[start:]
    if rest:
        yield rest


def index(read: Callable[[int], bytes]) -> bytes:
    """The list of what `read` gives, as it is published."""
    return encode(Chunk(name_of(piece), len(piece)) for piece in cut(read))


def encode(chunks: Iterable[Chunk]) -> bytes:
    """`MAGIC`, then 20 bytes a piece, in the order of the file."""
    return MAGIC + b"".join(_RECORD.pack(*chunk) for chunk in chunks)


def decode(raw: bytes, *, total: int) -> tuple[Chunk, ...]:
    """Raises Malformed for what does not add up to a file of `total` bytes."""
    if not raw.startswith(MAGIC) or (len(raw) - len(MAGIC)) % _RECORD.size:
        raise Malformed("not a list of chunks that is understood")
    chunks = tuple(map(Chunk._make, _RECORD.iter_unpack(raw[len(MAGIC) :])))
    if not all(SHORTEST <= chunk.length <= LONGEST for chunk in chunks[:-1]):
        raise Malformed(f"chunks: all but the last have {SHORTEST:,} to {LONGEST:,} bytes")
    if chunks and not 0 < chunks[-1].length <= LONGEST:
        raise Malformed(f"chunks: the last has {chunks[-1].length:,} bytes")
    if (added := sum(chunk.length for chunk in chunks)) != total:
        raise Malformed(f"chunks: of {added:,} bytes where the file has {total:,}")
    return chunks


def _end(data: bytes, start: int) -> int:
    """Where the piece that begins at `start` ends; 0 where that cannot be told yet."""
    found = _MARK.search(data, start + SHORTEST - 2, start + LONGEST)
    if found:
        return found.end()
    return start + LONGEST if len(data) - start >= LONGEST else 0
