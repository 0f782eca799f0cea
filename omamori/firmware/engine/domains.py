"""Domain lists: a name is listed when it or a parent domain of it is.

A list may hold a million names, so only a sorted array of 64-bit hashes is kept, with a 16-bit category number beside
each: 10 bytes a name, looked up by bisection. Two names collide with a chance of one in 10^13; a colliding name would
be taken for the listed one.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from omamori.firmware.engine.errors import SignatureError

_MAX_NAME = 253
_MAX_LABELS = 40
"""A longer name is looked up by its last labels only."""


@dataclass(frozen=True, slots=True)
class DomainHit:
    """`domain` is the listed name, which may be a parent of the one asked for."""

    domain: str
    category: str


class DomainTable:
    """An immutable domain -> category table."""

    __slots__ = ("_hashes", "_numbers", "categories")

    def __init__(self, hashes: "array[int]", numbers: "array[int]", categories: tuple[str, ...]) -> None:
        self._hashes, self._numbers, self.categories = hashes, numbers, categories

    def __len__(self) -> int:
        return len(self._hashes)

    def arrays(self) -> "tuple[array[int], array[int]]":
        """Copies of the sorted hashes and of the category numbers beside them, as the constructor takes them."""
        return self._hashes[:], self._numbers[:]

    def lookup(self, name: str) -> DomainHit | None:
        """The nearest listed domain at or above `name`, which must be `normalised`."""
        labels = name.split(".")[-_MAX_LABELS:]
        for first in range(len(labels)):
            domain = ".".join(labels[first:])
            wanted = _hash(domain)
            at = bisect_left(self._hashes, wanted)
            if at < len(self._hashes) and self._hashes[at] == wanted:
                return DomainHit(domain, self.categories[self._numbers[at]])
        return None


def build_table(entries: Iterable[tuple[str, str]]) -> DomainTable:
    """From (domain, category) pairs; of a domain listed twice the first counts. Raises SignatureError."""
    numbers: dict[str, int] = {}
    found: dict[int, int] = {}
    for domain, category in entries:
        name = normalised(domain.removeprefix("*."))
        if name is None:
            raise SignatureError(f"not a domain name: {domain[:80]!r}")
        number = numbers.setdefault(category, len(numbers))
        found.setdefault(_hash(name), number)
    if len(numbers) > 0xFFFF:
        raise SignatureError(f"{len(numbers)} categories in one list; 65535 are possible")
    hashes = array("Q", sorted(found))
    return DomainTable(hashes, array("H", (found[value] for value in hashes)), tuple(numbers))


def normalised(name: str | bytes) -> str | None:
    """Lower case, no trailing dot, no port, internationalised labels in their ASCII form; None if it is no name."""
    text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    text = text.strip().lower().rstrip(".")
    if text.startswith("["):
        return text[1:].partition("]")[0] or None
    if text.count(":") == 1:
        text = text.partition(":")[0].rstrip(".")
    if not text.isascii():
        text = _ascii(text)
    return text if 0 < len(text) <= _MAX_NAME and " " not in text and "/" not in text else None


def _ascii(text: str) -> str:
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _hash(domain: str) -> int:
    return int.from_bytes(blake2b(domain.encode(), digest_size=8).digest(), "little")
