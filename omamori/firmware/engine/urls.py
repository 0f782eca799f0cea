"""URL lists: a page is listed when its path, or a folder above it, is listed for its host.

A listed URL with a query means exactly that query, one without a path only the host's first page: a whole host belongs
into a domain list. Only plain HTTP shows paths.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from omamori.firmware.engine import hashed
from omamori.firmware.engine.domains import normalised
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.hashed import HashTable

_MAX_FOLDERS = 12
"""Of a deeper path its first folders and the whole are looked up."""
_MAX_URL = 4096
_ABSOLUTE = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.\-]*://[^/?#]*")
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class UrlHit:
    """`url` is the listed one, without a scheme."""

    url: str
    category: str


class UrlTable:
    """An immutable URL -> category table. Most requests are for hosts without any entry, so those are known, too."""

    __slots__ = ("_is_listed", "hosts", "table")

    def __init__(self, table: HashTable, hosts: HashTable) -> None:
        """`hosts` holds the host of every entry."""
        self.table, self.hosts = table, hosts
        self._is_listed = lru_cache(maxsize=_REMEMBERED)(hosts.get)

    def __len__(self) -> int:
        return len(self.table)

    def lookup(self, host: str, target: bytes) -> UrlHit | None:
        """`host` normalised, `target` as in the request; the most exact entry that fits."""
        host = host.removeprefix("www.")
        if self._is_listed(host) is None:
            return None
        for path in _candidates(origin_form(target[:_MAX_URL])):
            category = self.table.get(host + path)
            if category is not None:
                return UrlHit(host + path, category)
        return None


def build_urls(entries: Iterable[tuple[str, str]]) -> UrlTable:
    """From (URL, category); of a URL listed twice the first counts. Raises SignatureError."""
    keys = [(_key(url), category) for url, category in entries]
    hosts = {key.partition("/")[0] for key, _ in keys}
    return UrlTable(hashed.build(keys), hashed.build((host, "") for host in sorted(hosts)))


def spelled(url: str) -> str | None:
    """The one spelling of a URL in a list: `host/path?query`; None for what is no web address."""
    bare = url.strip().partition("#")[0]
    scheme, separator, rest = bare.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        return None
    host, slash, target = (rest if separator else bare).partition("/")
    name = normalised(host.rpartition("@")[2])
    if name is None or len(bare) > _MAX_URL:
        return None
    path, mark, query = (slash + target).partition("?")
    return name.removeprefix("www.") + _path(path.encode("utf-8", "surrogateescape")) + mark + query


def origin_form(target: bytes) -> bytes:
    """Without the scheme and host that a proxy is told (RFC 9112, 3.2.1)."""
    match = _ABSOLUTE.match(target)
    if match is None:
        return target
    rest = target[match.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def _key(url: str) -> str:
    key = spelled(url)
    if key is None:
        raise SignatureError(f"not a URL: {url[:80]!r}")
    return key


def _candidates(target: bytes) -> Iterator[str]:
    raw, mark, query = target.partition(b"#")[0].partition(b"?")
    path = _path(raw)
    if mark:
        yield path + "?" + query.decode("utf-8", "surrogateescape")
    yield path
    parts = path.split("/")[1:]
    for depth in range(min(len(parts) - 1, _MAX_FOLDERS), 0, -1):
        yield "/" + "/".join(parts[:depth])


def _path(raw: bytes) -> str:
    """Percent signs resolved once, empty parts and the last slash dropped, as lists and servers treat them alike."""
    text = unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
    return "/" + "/".join(part for part in text.split("/") if part)
