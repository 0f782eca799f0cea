"""IMAP: mails that a client fetches (whole, in parts or section by section) and those it appends, until TLS or compression begins.

RFC 3501, 7888 (literals), 3516 (binary), 4978 (compression). Mails travel as literals: `{size}` at a line's end, then so many bytes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from omamori.firmware.engine.applications.imap_section import Heads, Section
from omamori.firmware.engine.applications.layer import Context, Event, Unscanned
from omamori.firmware.engine.applications.mail_files import MailFiles
from omamori.firmware.engine.applications.mail_lines import Lines
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_LITERAL = re.compile(rb"~?\{(\d{1,12})(\+?)\}\Z")
_ITEM = re.compile(
    rb"(?:BODY|(BINARY))\[([^\]\r\n]*)\](?:<(\d{1,12})>)?\s*~?\{\d+\+?\}\Z|(RFC822(?:\.TEXT)?)\s*\{\d+\}\Z",
    re.IGNORECASE,
)
_SECTION = re.compile(rb"(?:\d+\.)*\d+\Z")
_FETCH = re.compile(rb"\* +(\d{1,10}) +FETCH", re.IGNORECASE)
_TAGGED = re.compile(rb"[^\s*+]+ +(OK|NO|BAD)\b", re.IGNORECASE)
_MAX_LITERAL, _MAX_ITEM = 20, 300
"""Where in a line they are looked for: at its end."""


@dataclass(slots=True)
class _Fetched:
    """A mail, or a section of one, that may come in several literals."""

    key: tuple[bytes, bytes]
    next: int
    """Where the next piece of it would begin."""
    files: MailFiles | Section


class _Side:
    """One direction: lines, and literals between them."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.left = 0
        self.asked = 0
        """Size of a literal that the server must agree to first."""
        self.fetched: _Fetched | None = None
        self.scanned = False
        """The literal is a mail."""
        self.head_of = b""
        """The section whose head the literal is."""
        self.command = b""
        """The line that goes on after a literal."""


class Imap:
    """The parser of one connection."""

    name = "imap"
    lost = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sides = (_Side(), _Side())
        self._refused = False
        self._changes = b""
        """Command that changes the connection if the server agrees."""
        self._message = b""
        """Number of the message whose FETCH goes on."""
        self._heads = Heads()
        """What it told of that message's sections so far."""
        self._count = 0
        self.finished = False
        self.gives_way = False

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        if self.finished:
            return ()
        side = self._sides[to_server]
        events: list[Event] = []
        if piece.missing:
            events += self._skip(side, piece.missing, needs)
        at = 0
        while at < len(piece.data) and not self.finished:
            if side.asked:
                side.left, side.asked = (0 if self._refused else side.asked), 0
            if side.left:
                at = self._literal(side, piece, at, events, needs)
                continue
            line, at = side.lines.take(piece.data, at)
            if line is not None:
                whole, side.command = side.command + line, b""
                handle = self._client_line if to_server else self._server_line
                handle(side, whole, events, needs)
        return events

    def end(self, needs: frozenset[str]) -> Sequence[Event]:
        return [event for side in self._sides for event in self._finish(side, needs)]

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - one mail at a time
        return Context(subject=f"IMAP message {self._message.decode()}" if self._message else "")

    # --- lines

    def _client_line(self, side: _Side, line: bytes, events: list[Event], needs: frozenset[str]) -> None:
        words = line.upper().split(None, 2)
        verb = words[1] if len(words) > 1 else b""
        self._changes = verb if verb in (b"STARTTLS", b"COMPRESS") else self._changes
        literal = _LITERAL.search(line, max(len(line) - _MAX_LITERAL, 0))
        if literal is None:
            return
        side.command = line[:200].rsplit(b"{", 1)[0]
        side.scanned = verb == b"APPEND"
        self._refused = False
        if literal[2]:
            side.left = int(literal[1])
        else:
            side.asked = int(literal[1])
        if side.scanned:
            events += self._finish(side, needs)
            self._begin(side, (b"append", b""), 0, b"", to_server=True)

    def _server_line(self, side: _Side, line: bytes, events: list[Event], needs: frozenset[str]) -> None:
        if tagged := _TAGGED.match(line):
            self._answered(tagged[1].upper(), events)
            return
        if found := _FETCH.match(line):
            self._message, self._heads = found[1], Heads()
        literal = _LITERAL.search(line, max(len(line) - _MAX_LITERAL, 0))
        if literal is None:
            return
        side.left, side.command = int(literal[1]), b"* "
        item = _ITEM.search(line, max(len(line) - _MAX_ITEM, 0))
        section = (item[2] or b"").upper() if item else b""
        side.head_of = section if section.endswith((b"MIME", b"HEADER")) else b""
        side.scanned = item is not None and not side.head_of and not section.endswith(b")")
        if item is not None and side.scanned:
            # What comes as binary has its encoding undone already.
            head = self._heads.of(section) if not item[1] else b""
            self._fetch(side, (self._message, section or b"*"), int(item[3] or 0), head, events, needs)

    def _answered(self, word: bytes, events: list[Event]) -> None:
        self._refused = word != b"OK"
        if self._changes and not self._refused:
            self.finished, self.gives_way = True, self._changes == b"STARTTLS"
            if self._changes == b"COMPRESS":
                events += [Unscanned(way, "compressed IMAP connection") for way in (False, True)]
        self._changes = b""

    # --- mails

    def _fetch(
        self,
        side: _Side,
        key: tuple[bytes, bytes],
        origin: int,
        head: bytes,
        events: list[Event],
        needs: frozenset[str],
    ) -> None:
        """A literal of a mail: more of the one before, or another."""
        known = side.fetched
        if known is None or known.key != key or known.next != origin or origin == 0:
            events += self._finish(side, needs)
            self._begin(side, key, origin, head, to_server=False)

    def _begin(
        self, side: _Side, key: tuple[bytes, bytes], origin: int, head: bytes, *, to_server: bool
    ) -> None:
        self._count += 1
        files: MailFiles | Section
        if _SECTION.match(key[1]) or key[1].endswith(b"TEXT") or origin:
            files = Section(
                self._settings, transaction=self._count, to_server=to_server, size=side.left, head=head
            )
        else:
            files = MailFiles(self._settings, transaction=self._count, to_server=to_server, dotted=False)
        side.fetched = _Fetched(key, origin, files)

    def _literal(self, side: _Side, piece: Piece, at: int, events: list[Event], needs: frozenset[str]) -> int:
        data = piece.data[at : at + side.left]
        side.left -= len(data)
        if side.head_of:
            self._heads.add(side.head_of, data)
        if side.scanned and side.fetched is not None:
            side.fetched.next += len(data)
            events += side.fetched.files.feed(data, piece.offset + at, needs)
            if side.left == 0 and side.fetched.key[0] == b"append":
                events += self._finish(side, needs)
        return at + len(data)

    @staticmethod
    def _finish(side: _Side, needs: frozenset[str]) -> list[Event]:
        fetched, side.fetched = side.fetched, None
        return fetched.files.end(needs) if fetched is not None else []

    def _skip(self, side: _Side, missing: int, needs: frozenset[str]) -> list[Event]:
        side.left = max(side.left - missing, 0)
        side.lines, side.command, self._heads = Lines(), b"", Heads()
        return side.fetched.files.skip(missing, needs) if side.fetched is not None and side.scanned else []
