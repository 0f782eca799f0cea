"""The list of pieces a large file consists of, so that a unit fetches only those it does not have yet (decision 0017).

Where a file is cut depends on its bytes alone: after a pair of bytes that random data has now and then, within bounds. So
what an insertion moves is still cut the same way a little later. Such a list is only a hint where bytes may be found: what
was put together by it counts once the whole file has the hash that was signed. Pure; both sides cut by the rule that the
list begins with.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from omamori.protocol.bundle import SIZE_CAP
from omamori.protocol.errors import Malformed

SUFFIX: Final = ".chunks"
"""The list of `firmware/x.bundle` is the target `firmware/x.bundle.chunks`."""
_RECORD: Final = struct.Struct("<16sI")
_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """`magic` begins its lists; a piece ends with `mark`, and has `shortest` to `longest` bytes (the last of a file any number up to that)."""

    magic: bytes
    mark: re.Pattern[bytes]
    shortest: int
    longest: int


COARSE: Final = Rule(b"OMACHNK1", re.compile(rb"[\x00-\x03]\x2a", re.DOTALL), 4 * 1024, 128 * 1024)
"""16 KiB on average: bundles."""
FINE: Final = Rule(b"OMACHNK2", re.compile(rb"[\x00-\x1f]\x2a", re.DOTALL), 512, 16 * 1024)
"""2 KiB on average: packs, in which a few rules change here and there."""
_RULES: Final = {rule.magic: rule for rule in (COARSE, FINE)}
INDEX_CAP: Final = len(COARSE.magic) + (SIZE_CAP // COARSE.shortest + 1) * _RECORD.size
"""Bytes no list of an allowed bundle exceeds; a pack whose list does is fetched whole."""


class Chunk(NamedTuple):
    """One piece; `name` is the first 16 bytes of its SHA-256."""

    name: bytes
    length: int


def name_of(piece: bytes) -> bytes:
    """Long enough that nobody finds two; the whole file's own hash has the last word anyway."""
    return hashlib.sha256(piece).digest()[:16]


def cut(read: Callable[[int], bytes], rule: Rule) -> Iterator[bytes]:
    """The pieces of what `read` gives until it gives nothing, in a few megabytes of memory."""
    rest = b""
    while block := read(_BLOCK):
        rest += block
        start = 0
        while end := _end(rest, start, rule):
            yield rest[start:end]
            start = end
        rest = rest[start:]
    if rest:
        yield rest


def index(read: Callable[[int], bytes], rule: Rule) -> bytes:
    """The list of what `read` gives, as it is published."""
    return encode((Chunk(name_of(piece), len(piece)) for piece in cut(read, rule)), rule)


def encode(chunks: Iterable[Chunk], rule: Rule) -> bytes:
    """The rule's `magic`, then 20 bytes a piece, in the order of the file."""
    return rule.magic + b"".join(_RECORD.pack(*chunk) for chunk in chunks)


def decode(raw: bytes, *, total: int) -> tuple[Rule, tuple[Chunk, ...]]:
    """Raises Malformed for what does not add up to a file of `total` bytes."""
    rule = _RULES.get(raw[: len(COARSE.magic)])
    if rule is None or (len(raw) - len(rule.magic)) % _RECORD.size:
        raise Malformed("not a list of chunks that is understood")
    chunks = tuple(map(Chunk._make, _RECORD.iter_unpack(raw[len(rule.magic) :])))
    if not all(rule.shortest <= chunk.length <= rule.longest for chunk in chunks[:-1]):
        raise Malformed(f"chunks: all but the last have {rule.shortest:,} to {rule.longest:,} bytes")
    if chunks and not 0 < chunks[-1].length <= rule.longest:
        raise Malformed(f"chunks: the last has {chunks[-1].length:,} bytes")
    if (added := sum(chunk.length for chunk in chunks)) != total:
        raise Malformed(f"chunks: of {added:,} bytes where the file has {total:,}")
    return rule, chunks


def _end(data: bytes, start: int, rule: Rule) -> int:
    """Where the piece that begins at `start` ends; 0 where that cannot be told yet."""
    found = rule.mark.search(data, start + rule.shortest - 2, start + rule.longest)
    if found:
        return found.end()
    return start + rule.longest if len(data) - start >= rule.longest else 0
