"""Malware patterns over file bytes, matched as a stream: a pattern split over any number of packets is found.

Patterns are literal bytes or hex signatures in the ClamAV style (`4d5a??90*5045`, `{2-8}`, `(aa|bb)`); both become one
Hyperscan streaming database. A stream must be closed, or the matcher's memory for it is lost.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import hyperscan

from omamori.firmware.engine.errors import SignatureError

_MIN_FIXED = 4
"""A pattern without a run of this many fixed bytes would match everywhere and cost the most."""
_TOKEN = re.compile(
    r"(?P<byte>[0-9a-f]{2})|(?P<any>\?\?)|(?P<high>[0-9a-f]\?)|(?P<low>\?[0-9a-f])|(?P<star>\*)"
    r"|\{(?P<least>\d{0,4})(?P<dash>-?)(?P<most>\d{0,4})\}|\((?P<choice>[0-9a-f]{2,64}(?:\|[0-9a-f]{2,64}){1,64})\)"
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One malware signature; make it with `literal` or `hexadecimal`."""

    id: str
    name: str
    expression: bytes
    """A regular expression over bytes, dot matches all."""
    width: int | None
    """Bytes it matches, where that is fixed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A match; `end` counts from the beginning of the file, `begin` only where the pattern's width is fixed."""

    pattern: Pattern
    begin: int | None
    end: int


def literal(identifier: str, name: str, data: bytes) -> Pattern:
    """Raises SignatureError if it is too short to mean anything."""
    if len(data) < _MIN_FIXED:
        raise SignatureError(f"{name}: a pattern needs {_MIN_FIXED} fixed bytes in a row")
    return Pattern(identifier, name, b"".join(b"\\x%02x" % byte for byte in data), len(data))


def hexadecimal(identifier: str, name: str, text: str) -> Pattern:
    """A ClamAV-style body signature. Raises SignatureError."""
    out: list[bytes] = []
    width: int | None = 0
    run = longest = at = 0
    lower = text.strip().lower()
    while at < len(lower):
        token = _TOKEN.match(lower, at)
        if token is None:
            raise SignatureError(f"{name}: cannot read the pattern at {lower[at : at + 20]!r}")
        piece, size = _piece(token)
        out.append(piece)
        width = None if width is None or size is None else width + size
        run = run + 1 if token["byte"] else 0
        longest, at = max(longest, run), token.end()
    if longest < _MIN_FIXED:
        raise SignatureError(f"{name}: a pattern needs {_MIN_FIXED} fixed bytes in a row")
    return Pattern(identifier, name, b"".join(out), width)


def _piece(token: re.Match[str]) -> tuple[bytes, int | None]:
    """The regular expression of one token, and how many bytes it takes where that is fixed."""
    if token["byte"]:
        return b"\\x" + token["byte"].encode(), 1
    if token["any"]:
        return b".", 1
    if token["high"]:
        first = token["high"][0]
        return f"[\\x{first}0-\\x{first}f]".encode(), 1
    if token["low"]:
        return ("[" + "".join(f"\\x{high:x}{token['low'][1]}" for high in range(16)) + "]").encode(), 1
    if token["star"]:
        return b".*", None
    if token["choice"]:
        return _choice(token["choice"].split("|"))
    return _jump(token["least"], token["most"], exact=not token["dash"])


def _choice(options: Sequence[str]) -> tuple[bytes, int | None]:
    if any(len(option) % 2 for option in options):
        raise SignatureError(f"half a byte in ({'|'.join(options)})")
    pieces = [b"".join(b"\\x%02x" % byte for byte in bytes.fromhex(option)) for option in options]
    sizes = {len(option) // 2 for option in options}
    return b"(?:" + b"|".join(pieces) + b")", sizes.pop() if len(sizes) == 1 else None


def _jump(least: str, most: str, *, exact: bool) -> tuple[bytes, int | None]:
    if exact:
        return b".{%d}" % int(least or 0), int(least or 0)
    if most and int(least or 0) > int(most):
        raise SignatureError(f"a jump of at least {least} and at most {most} bytes")
    return b".{%s,%s}" % ((least or "0").encode(), most.encode()), None


class Antivirus:
    """A compiled pattern set."""

    __slots__ = ("_database", "patterns")

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """Raises SignatureError for a pattern that the matcher does not take."""
        self.patterns = tuple(patterns)
        self._database = _compile(self.patterns) if patterns else None

    def __bool__(self) -> bool:
        return self._database is not None

    def scan(self) -> "FileScan":
        """Begin with a new file."""
        return FileScan(self.patterns, self._database)


class FileScan:
    """One file being scanned. `close` it."""

    __slots__ = ("_hits", "_patterns", "_stream", "scanned")

    def __init__(self, patterns: tuple[Pattern, ...], database: "hyperscan.Database | None") -> None:
        self._patterns = patterns
        self._hits: list[tuple[int, int]] = []
        self._stream = None
        self.scanned = 0
        """Bytes fed so far."""
        if database is not None:
            # The stream borrows both objects: the handler must be one that stays, the list lives as long as this.
            self._stream = database.stream(match_event_handler=_matched, context=self._hits)
            self._stream.__enter__()

    def feed(self, data: bytes) -> Found | None:
        """The first match that ends in `data`."""
        if self._stream is None:
            return None
        self._stream.scan(data)
        self.scanned += len(data)
        if not self._hits:
            return None
        number, end = self._hits[0]
        self._hits.clear()
        pattern = self._patterns[number]
        return Found(pattern, None if pattern.width is None else end - pattern.width, end)

    def close(self) -> None:
        """May be called twice."""
        if self._stream is not None:
            self._stream.__exit__(None, None, None)
            self._stream = None


def _matched(number: int, _begin: int, end: int, _flags: int, hits: object) -> bool:
    assert isinstance(hits, list)  # noqa: S101 - what feed passed
    hits.append((number, end))
    return False


def _compile(patterns: tuple[Pattern, ...]) -> "hyperscan.Database":
    database = hyperscan.Database(mode=hyperscan.HS_MODE_STREAM)
    try:
        database.compile(
            expressions=[pattern.expression for pattern in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=[hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH] * len(patterns),
        )
    except hyperscan.error as error:
        raise SignatureError(f"the antivirus patterns do not compile: {error}") from error
    return database


NO_ANTIVIRUS = Antivirus(())
