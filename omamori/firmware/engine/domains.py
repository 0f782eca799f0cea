"""Domain lists: a name is listed when it or a parent domain of it is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from omamori.firmware.engine import hashed
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.hashed import HashTable

_REMEMBERED = 4096
_MAX_NAME = 253
_ADDRESS = re.compile(r"\[([0-9a-f:.]+)\](?::\d*)?\Z")
_PORT = re.compile(r":\d*\Z")
_DOT = re.compile(r"[.\u3002\uff0e\uff61]")
"""All that separate labels (RFC 3490, 3.1)."""
_ODD = re.compile(r"[\x00-\x20\x7f/:\\\[\]@]")
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
        """The nearest listed domain at or above `name`, which must be `normalised` or `listable`."""
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


def normalised(name: str) -> str | None:
    """Lower case, no trailing dot, no port, internationalised labels in their ASCII form; None if it is no name."""
    text = name.strip().lower().rstrip(".")
    if text.startswith("["):
        return text[1:].partition("]")[0] or None
    if text.count(":") == 1:
        text = text.partition(":")[0].rstrip(".")
    if not text.isascii():
        text = _ascii(text)
    return text if 0 < len(text) <= _MAX_NAME and " " not in text and "/" not in text else None


def listable(name: bytes) -> str | None:
    """What of a name that a client asks for may be listed, normalised: all of it, or what follows the last label that no list has.

    Any byte may stand in a label (RFC 2181, 11), and the site below a listed one answers to it. None where nothing is left.
    """
    # Clients ask for the same names again and again; only what can be one is remembered.
    return _known(name) if len(name) <= _MAX_NAME else _listable(name)


def _listable(name: bytes) -> str | None:
    text = name.decode("utf-8", "surrogateescape").strip().lower()
    if address := _ADDRESS.match(text):
        return address[1]
    kept: list[str] = []
    left = _MAX_NAME
    for label in reversed(_DOT.split(_PORT.sub("", text).rstrip("."))):
        plain = label if label.isascii() else _ascii(label)
        left -= len(plain) + 1
        if left < -1 or _ODD.search(plain) or (label and not plain):
            break
        kept.append(plain)
    return ".".join(reversed(kept)) or None


_known = lru_cache(maxsize=_REMEMBERED)(_listable)


def _ascii(text: str) -> str:
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
