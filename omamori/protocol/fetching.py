"""How the updates of a unit come to it: from a mirror on its LAN where there is one, and how fast over the customer's line.

A part of `Want`, and the file of a unit on its own. A mirror is a copy of the repository's `targets/` on any static server:
only files come from it, each checked against metadata that are the fleet's own.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from omamori.protocol.errors import FetchingError

LEAST_RATE: Final = 16 * 1024
"""Bytes a second; a firmware would take days below it."""
MOST_RATE: Final = 10**10
LONGEST_MIRROR: Final = 200
_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True)
class Fetching:
    """The default is the fleet's server, as fast as the line is."""

    rate: int = 0
    """Bytes a second at most over the customer's line, on average; 0 is as much as there is."""
    mirror: str = ""
    """`http://HOST[:PORT][/PATH]`, with `targets/` below it; empty for none."""


def checked(value: Fetching) -> Fetching:
    """In its one spelling. Raises FetchingError."""
    return Fetching(_rate(value.rate), _mirror(value.mirror))


def _rate(value: int) -> int:
    if value == 0 or LEAST_RATE <= value <= MOST_RATE:
        return value
    raise FetchingError(f"a rate is 0 (no limit) or at least {LEAST_RATE:,} bytes a second, not {value:,}")


def _mirror(text: str) -> str:
    text = text.strip().rstrip("/")
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        host, port = parts.netloc.lower(), parts.port
    except ValueError as error:
        raise _no_mirror(text) from error
    name = host.removesuffix(f":{port}") if port is not None else host
    plain = text.isprintable() and "?" not in text and "#" not in text and len(text) <= LONGEST_MIRROR
    if not (
        plain and parts.scheme in {"http", "https"} and _HOST.fullmatch(name) and _PATH.fullmatch(parts.path)
    ):
        raise _no_mirror(text)
    return f"{parts.scheme}://{host}{parts.path}"


def _no_mirror(text: str) -> FetchingError:
    return FetchingError(f"not the address of a mirror, such as http://192.168.1.5/omamori: {text[:60]!r}")
