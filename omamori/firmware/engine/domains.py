"""Domain lists: a name is listed when it or a parent domain of it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from omamori.firmware.engine import hashed
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.hashed import HashTable

_REMEMBERED = 4096
_MAX_NAME = 253
_MAX_LABELS = 40
"""A longer name is looked up by its last labels only."""


@dataclass(frozen=True, slots=True)
class DomainHit:
    """`domain` is the listed name, which may be a parent of the one asked for."""

    domain: str
    category: str


class DomainTable:
    """An immutable domain -> category table, which remembers the answers to the names that clients ask for again and again."""

    __slots__ = ("_cached", "table")

    def __init__(self, table: HashTable) -> None:
        self.table = table
        self._cached = lru_cache(maxsize=_REMEMBERED)(partial(_nearest, table))

    def __len__(self) -> int:
        return len(self.table)

    def lookup(self, name: str) -> DomainHit | None:
        """The nearest listed domain at or above `name`, which must be `normalised`."""
        return self._cached(name)


def _nearest(table: HashTable, name: str) -> DomainHit | None:
    labels = name.split(".")[-_MAX_LABELS:]
    for first in range(len(labels)):
        domain = ".".join(labels[first:])
        category = table.get(domain)
        if category is not None:
            return DomainHit(domain, category)
    return None


def build_table(entries: Iterable[tuple[str, str]]) -> DomainTable:
    """From (domain, category) pairs; of a domain listed twice the first counts. Raises SignatureError."""
    return DomainTable(hashed.build((_name(domain), category) for domain, category in entries))


def _name(domain: str) -> str:
    name = normalised(domain.removeprefix("*."))
    if name is None:
        raise SignatureError(f"not a domain name: {domain[:80]!r}")
    return name


def normalised(name: str | bytes) -> str | None:
    """Lower case, no trailing dot, no port, internationalised labels in their ASCII form; None if it is no name."""
    # Clients ask for the same names again and again; only what can be one is remembered.
    return _known(name) if isinstance(name, bytes) and len(name) <= _MAX_NAME else _normalised(name)


def _normalised(name: str | bytes) -> str | None:
    text = name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
    text = text.strip().lower().rstrip(".")
    if text.startswith("["):
        return text[1:].partition("]")[0] or None
    if text.count(":") == 1:
        text = text.partition(":")[0].rstrip(".")
    if not text.isascii():
        text = _ascii(text)
    return text if 0 < len(text) <= _MAX_NAME and " " not in text and "/" not in text else None


_known = lru_cache(maxsize=_REMEMBERED)(_normalised)


def _ascii(text: str) -> str:
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
