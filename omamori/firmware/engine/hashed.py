"""A million names in ten bytes each: sorted 64-bit hashes, and beside them 16-bit numbers of categories.

The table is its bytes, as they lie in a signature pack: nothing is unpacked at load, so that it can be mapped from the file
and shared by all workers. A look-up is a bisection. Two names collide with a chance of one in 10^13; a colliding name would
be taken for the listed one.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b

from omamori.firmware.engine.errors import SignatureError

_WIDTH = 10
MAX_CATEGORIES = 0xFFFF


class HashTable:
    """Immutable: text -> category."""

    __slots__ = ("_count", "_hashes", "_numbers", "categories", "raw")

    def __init__(self, raw: "bytes | memoryview", categories: tuple[str, ...]) -> None:
        """`raw` as `build` makes it. Raises SignatureError for what it did not make."""
        self._count, rest = divmod(len(raw), _WIDTH)
        if rest:
            raise SignatureError(f"a table of {len(raw)} bytes is not whole")
        self.raw, self.categories = raw, categories
        view = memoryview(raw)
        self._hashes = _native(view[: 8 * self._count], "Q")
        self._numbers = _native(view[8 * self._count :], "H")
        if self._count and max(self._numbers) >= len(categories):
            raise SignatureError("a table names a category that is not there")

    def __len__(self) -> int:
        return self._count

    def get(self, text: str) -> str | None:
        """The category of exactly this text."""
        wanted = hash_of(text)
        at = bisect_left(self._hashes, wanted)
        if at < self._count and self._hashes[at] == wanted:
            return self.categories[self._numbers[at]]
        return None


def build(entries: Iterable[tuple[str, str]]) -> HashTable:
    """From (text, category); of a text given twice the first counts. Raises SignatureError."""
    numbers: dict[str, int] = {}
    found: dict[int, int] = {}
    for text, category in entries:
        number = numbers.setdefault(category, len(numbers))
        found.setdefault(hash_of(text), number)
    if len(numbers) > MAX_CATEGORIES:
        raise SignatureError(f"{len(numbers)} categories in one list; {MAX_CATEGORIES} are possible")
    hashes = array("Q", sorted(found))
    beside = array("H", (found[value] for value in hashes))
    if sys.byteorder == "big":
        hashes.byteswap()
        beside.byteswap()
    return HashTable(hashes.tobytes() + beside.tobytes(), tuple(numbers))


def hash_of(text: str) -> int:
    """64 bits that are the same on every machine."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")


def _native(view: memoryview, kind: str) -> "memoryview | array[int]":
    """Little-endian numbers as this machine reads them; a copy only where it reads them the other way round."""
    if sys.byteorder == "little":
        return view.cast(kind)  # type: ignore[no-any-return, call-overload] # one of two formats
    numbers = array(kind)
    numbers.frombytes(view)
    numbers.byteswap()
    return numbers
