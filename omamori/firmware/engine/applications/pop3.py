"""POP3: the mails that a client takes from its server by RETR and TOP, until TLS begins (RFC 1939, 2449, 2595)."""

from collections import deque
from collections.abc import Sequence

from omamori.firmware.engine.applications.dotted import DotEnded
from omamori.firmware.engine.applications.layer import Context, Event
from omamori.firmware.engine.applications.mail_files import MailFiles
from omamori.firmware.engine.applications.mail_lines import Lines
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_MAX_WAITING = 1000
"""Commands sent ahead; beyond it the oldest is forgotten."""
_ALWAYS_LONG = frozenset((b"RETR", b"TOP", b"CAPA"))
_LONG_ALONE = frozenset((b"LIST", b"UIDL"))


class Pop3:
    """The parser of one connection."""

    name = "pop3"
    gives_way = True
    lost = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client, self._server = Lines(), Lines()
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING)
        self._greeted = False
        self._authenticating = False
        self._dot: DotEnded | None = None
        self._files: MailFiles | None = None
        self._count = 0
        self.finished = False

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        if self.finished:
            return ()
        if to_server:
            self._commands(piece.data)
            return ()
        events: list[Event] = []
        if piece.missing and self._files is not None:
            events += self._files.skip(piece.missing, needs)
        at = 0
        while at < len(piece.data) and not self.finished:
            if self._dot is not None:
                at = self._mail(piece, at, events, needs, self._dot)
                continue
            line, at = self._server.take(piece.data, at)
            if line is not None:
                self._reply(line)
        return events

    def end(self, needs: frozenset[str]) -> Sequence[Event]:
        return self._finish(needs)

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - one mail at a time
        return Context(subject=f"POP3 message {self._count}" if self._count else "")

    def _commands(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            line, at = self._client.take(data, at)
            if line is not None and not self._authenticating:
                words = line.upper().split(None, 2)
                self._authenticating = words[:1] == [b"AUTH"] and len(words) > 1
                self._waiting.append(_long(words))

    def _reply(self, line: bytes) -> None:
        if not line.startswith((b"+OK", b"-ERR")):
            return
        self._authenticating = False
        if not self._greeted:
            self._greeted = True
            return
        command = self._waiting.popleft() if self._waiting else b""
        if not line.startswith(b"+OK"):
            return
        if command == b"STLS":
            self.finished = True
        elif command:
            self._dot = DotEnded()
            if command in (b"RETR", b"TOP"):
                self._count += 1
                self._files = MailFiles(self._settings, transaction=self._count, to_server=False, dotted=True)

    def _mail(self, piece: Piece, at: int, events: list[Event], needs: frozenset[str], dot: DotEnded) -> int:
        pieces, at, ended = dot.take(piece.data, at, piece.offset)
        if self._files is not None:
            for data, offset in pieces:
                events += self._files.feed(data, offset, needs)
        if ended:
            events += self._finish(needs)
            self._dot = None
        return at

    def _finish(self, needs: frozenset[str]) -> list[Event]:
        files, self._files = self._files, None
        return files.end(needs) if files is not None else []


def _long(words: list[bytes]) -> bytes:
    """The command, where its good answer has more than one line or changes the connection; else empty."""
    verb = words[0] if words else b""
    if verb in _ALWAYS_LONG or verb == b"STLS" or (verb in _LONG_ALONE and len(words) == 1):
        return verb
    return verb if verb == b"AUTH" and len(words) == 1 else b""
