"""One HTTP request as the page needs it, and one answer; the limits of both. Pure: no sockets here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlsplit

BODY_CAP: Final = 4096
"""Bytes of a form."""
FIELDS: Final = 32


@dataclass(frozen=True, slots=True)
class Request:
    """What came. `host` is what the visitor's browser calls us; `peer` who it is."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    form: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    local: str = ""
    """The address of ours that was called."""

    def cookie(self, name: str) -> str:
        """Empty where there is none, or where the header is odd."""
        try:
            found = SimpleCookie(self.headers.get("cookie", "")[:1024]).get(name)
        except CookieError:
            return ""
        return found.value if found else ""


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back. A redirection has no body."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "text/html; charset=utf-8"


def target(text: str) -> tuple[str, dict[str, str]]:
    """Path and query of a request target; anything odd is a path that nothing answers to."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "", {}
    return parts.path, fields(parts.query)


def fields(encoded: str) -> dict[str, str]:
    """A form or query, each name once, the first wins; too many of them is none."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=FIELDS, errors="replace")
    except ValueError:
        return {}
    return dict(reversed(pairs))
