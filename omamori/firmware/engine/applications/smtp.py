"""SMTP: the mails that a client hands to a server, by DATA or BDAT, pipelined or not, until TLS begins (RFC 5321, 3030, 3207)."""

import re
from collections.abc import Sequence
from enum import Enum, auto

from omamori.firmware.engine.applications.dotted import BareEnd, DotEnded
from omamori.firmware.engine.applications.layer import Context, Event, Message
from omamori.firmware.engine.applications.mail_files import MailFiles
from omamori.firmware.engine.applications.mail_lines import Lines
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_PATH = re.compile(rb"(?:MAIL FROM|RCPT TO):\s*<?([^<>\s]{1,256})", re.IGNORECASE)
_VALUE = re.compile(rb"(?:HELO|EHLO|MAIL FROM:|RCPT TO:)\s*(\S{1,512})", re.IGNORECASE)
_BUFFERS = {b"HELO": "smtp.helo", b"EHLO": "smtp.helo", b"MAIL": "smtp.mail_from", b"RCPT": "smtp.rcpt_to"}
_MAX_RECEIVERS = 100
"""Of one mail, that rules see; every server takes as many (RFC 5321, 4.5.3.1.8)."""
_BDAT = re.compile(rb"BDAT\s+(\d{1,12})(\s+LAST)?\s*\Z", re.IGNORECASE)


class _State(Enum):
    COMMANDS = auto()
    ASKED = auto()
    """DATA was said; what the client sends next is a mail unless the server refused."""
    DATA = auto()
    CHUNK = auto()


class Smtp:
    """The parser of one connection."""

    name = "smtp"
    gives_way = True
    lost = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client, self._server = Lines(), Lines()
        self._state = _State.COMMANDS
        self._files: MailFiles | None = None
        self._dot = DotEnded()
        self._bare = BareEnd()
        self._go_ahead = False
        """The server waits for the mail: its next reply is for all of it."""
        self._taken = False
        """That reply came."""
        self._left = 0
        """Of a chunk."""
        self._last_chunk = False
        self._reply = b""
        """Code of the newest reply."""
        self._tls_asked = False
        self._count = 0
        self._sender = self._receiver = ""
        self._envelope: dict[str, list[bytes]] = {}
        """What rules see of the mail that is prepared, as it was written: host, sender, receivers."""
        self._shown = True
        self.finished = False

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        if self.finished:
            return ()
        if not to_server:
            return self._replies(piece.data, needs)
        events: list[Event] = []
        if piece.missing:
            events += self._skip(piece.missing, needs)
        self._said(piece, events, needs)
        return events

    def end(self, needs: frozenset[str]) -> Sequence[Event]:
        return [*self._show(needs), *self._finish(needs)]

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - the newest mail is the one that is told about
        subject = f"{self._sender} -> {self._receiver}" if self._sender or self._receiver else ""
        return Context(subject=subject)

    # --- the server's side

    def _replies(self, data: bytes, needs: frozenset[str]) -> list[Event]:
        events: list[Event] = []
        at = 0
        while at < len(data):
            line, at = self._server.take(data, at)
            if line is None or line[3:4] == b"-":
                continue
            self._reply = line[:3]
            if self._tls_asked:
                self.finished = self._reply == b"220"
                self._tls_asked = False
            events += self._noted(needs)
        return events

    def _noted(self, needs: frozenset[str]) -> list[Event]:
        """What a reply says of the mail: for the server it may have ended at a dot between bare line feeds, and commands followed."""
        waits, ends = self._reply == b"354", self._go_ahead and self._reply[:1] in (b"2", b"4", b"5")
        missed = ends and self._state is _State.DATA
        missed = missed or (waits and self._taken and self._state is _State.COMMANDS)
        self._go_ahead, self._taken = (self._go_ahead or waits) and not ends, self._taken or ends
        if not missed or not self._bare.seen:
            return []
        events = self._finish(needs)
        self._state = _State.COMMANDS
        self._said(self._bare.after(), events, needs)
        return events

    # --- the client's side

    def _said(self, piece: Piece, events: list[Event], needs: frozenset[str]) -> None:
        at = 0
        while at < len(piece.data):
            at = self._step(piece, at, events, needs)

    def _step(self, piece: Piece, at: int, events: list[Event], needs: frozenset[str]) -> int:
        if self._state is _State.ASKED:
            self._state = _State.COMMANDS if self._reply[:1] in (b"4", b"5") else _State.DATA
            if self._state is _State.DATA:
                self._dot, self._bare = DotEnded(), BareEnd()
                self._begin(needs, dotted=True)
        if self._state is _State.DATA:
            return self._data(piece, at, events, needs)
        if self._state is _State.CHUNK:
            return self._chunk(piece, at, events, needs)
        line, at = self._client.take(piece.data, at)
        if line is not None:
            self._command(line, events, needs)
        return at

    def _data(self, piece: Piece, at: int, events: list[Event], needs: frozenset[str]) -> int:
        assert self._files is not None  # noqa: S101 - begun with the state
        begin = at
        pieces, at, ended = self._dot.take(piece.data, at, piece.offset)
        self._bare.add(piece.data[begin:at], piece.offset + begin)
        for data, offset in pieces:
            events += self._files.feed(data, offset, needs)
        if ended:
            events += self._finish(needs)
            self._state = _State.COMMANDS
        return at

    def _chunk(self, piece: Piece, at: int, events: list[Event], needs: frozenset[str]) -> int:
        assert self._files is not None  # noqa: S101 - begun with the state
        data = piece.data[at : at + self._left]
        self._left -= len(data)
        events += self._files.feed(data, piece.offset + at, needs)
        self._end_chunk(events, needs)
        return at + len(data)

    def _end_chunk(self, events: list[Event], needs: frozenset[str]) -> None:
        if self._left == 0:
            self._state = _State.COMMANDS
            if self._last_chunk:
                events += self._finish(needs)

    def _command(self, line: bytes, events: list[Event], needs: frozenset[str]) -> None:
        verb = line[:8].strip().upper()
        noted = _VALUE.match(line)
        named = _BUFFERS[line[:4].upper()] if noted else ""
        greets = named == "smtp.helo"
        self._tls_asked = verb == b"STARTTLS"
        if verb == b"DATA":
            events += self._show(needs)
            self._state, self._reply = _State.ASKED, b""
            self._go_ahead = self._taken = False
        elif chunk := _BDAT.match(line):
            self._left, self._last_chunk = int(chunk[1]), bool(chunk[2])
            self._state = _State.CHUNK
            if self._files is None:
                events += self._show(needs)
                self._begin(needs, dotted=False)
            self._end_chunk(events, needs)
        elif verb in (b"RSET", b"QUIT") or greets:
            events += self._show(needs)
            events += self._finish(needs)
        elif path := _PATH.match(line):
            self._addressed(line, path[1].decode("utf-8", "replace"))
        if greets or verb == b"RSET" or named == "smtp.mail_from":
            self._prepare(greets=greets)
        if noted is not None and named in needs:
            self._note(named, noted[1])
        if greets:
            events += self._show(needs)  # at once: what follows may be encrypted

    def _addressed(self, line: bytes, address: str) -> None:
        if line[:4].upper() == b"MAIL":
            self._sender, self._receiver = address, ""
        else:
            self._receiver = self._receiver or address

    def _note(self, name: str, value: bytes) -> None:
        """Keeps what rules ask for."""
        values = self._envelope.setdefault(name, [])
        if len(values) < (_MAX_RECEIVERS if name == "smtp.rcpt_to" else 1):
            values.append(value)
            self._shown = False

    def _prepare(self, *, greets: bool) -> None:
        """Another mail may begin: of the last one only the host that greeted stays, until it greets again."""
        host = [] if greets else self._envelope.get("smtp.helo", [])
        self._envelope = {"smtp.helo": host} if host else {}

    def _show(self, needs: frozenset[str]) -> list[Event]:
        """The envelope of the next mail, once, to the rules that look at it."""
        if self._shown:
            return []
        self._shown = True
        buffers = self._seen(needs)
        return [Message(self._count + 1, to_server=True, buffers=buffers, complete=False)] if buffers else []

    def _seen(self, needs: frozenset[str]) -> dict[str, list[bytes]]:
        return {name: list(values) for name, values in self._envelope.items() if name in needs}

    def _begin(self, needs: frozenset[str], *, dotted: bool) -> None:
        self._count += 1
        self._files = MailFiles(
            self._settings,
            transaction=self._count,
            to_server=True,
            dotted=dotted,
            envelope=self._seen(needs),
        )

    def _finish(self, needs: frozenset[str]) -> list[Event]:
        files, self._files = self._files, None
        return files.end(needs) if files is not None else []

    def _skip(self, missing: int, needs: frozenset[str]) -> list[Event]:
        """Bytes are lost: inside a mail it goes on, a chunk is shorter."""
        if self._state is _State.CHUNK:
            self._left = max(self._left - missing, 0)
            self._state = _State.CHUNK if self._left else _State.COMMANDS
        self._client, self._bare = Lines(), BareEnd()
        return self._files.skip(missing, needs) if self._files is not None else []
