"""FTP: which data connections the control connection agrees on, and the files that go over them (RFC 959, 2428, 4217).

Active and passive. A data connection has no head of its own: everything on it is one file in each direction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from omamori.firmware.engine.applications.layer import ConnectionExpected, Content, Context, Event, Message
from omamori.firmware.engine.applications.mail_files import Windows
from omamori.firmware.engine.applications.mail_lines import Lines
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_SIX = re.compile(rb"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
_EPRT = re.compile(rb"EPRT\s+([!-~])([12])\1([0-9A-Fa-f.:]{2,45})\1(\d{1,5})\1", re.IGNORECASE)
_EPSV = re.compile(rb"\(([!-~])\1\1(\d{1,5})\1\)")
_TLS = re.compile(rb"\x16\x03[\x00-\x04]..[\x01\x02]", re.DOTALL)
_REPLY_CODE = re.compile(rb"\A\d{3}[ -]")
_FILES = frozenset((b"RETR", b"STOR", b"STOU", b"APPE"))
_SECURE = frozenset((b"TLS", b"TLS-C", b"SSL", b"TLS-P"))


@dataclass(slots=True)
class Transfer:
    """What the next data connection is for; it may be said after the connection was agreed on."""

    command: str = ""
    name: str = ""


class Ftp:
    """The parser of one control connection."""

    name = "ftp"
    gives_way = True
    lost = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client, self._server = Lines(), Lines()
        self._transfer = Transfer()
        self._tls_asked = False
        self._count = 0
        """Of commands: each is a transaction with its replies."""
        self.finished = False

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        events: list[Event] = []
        lines = self._client if to_server else self._server
        at = 0
        while at < len(piece.data) and not self.finished:
            line, at = lines.take(piece.data, at)
            if line is not None:
                self._count += to_server
                events += self._shown(line, needs, to_server=to_server)
                events += self._command(line) if to_server else self._reply(line)
        return events

    def end(self, needs: frozenset[str]) -> Sequence[Event]:  # noqa: ARG002 - the interface's
        return ()

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - the newest transfer
        return Context(subject=self._transfer.name)

    def _shown(self, line: bytes, needs: frozenset[str], *, to_server: bool) -> list[Event]:
        buffers = _of_command(line) if to_server else {"ftp.reply": [_REPLY_CODE.sub(b"", line)]}
        wanted = {name: value for name, value in buffers.items() if name in needs}
        return [Message(self._count, to_server, wanted)]

    def _command(self, line: bytes) -> list[Event]:
        verb, rest = _split(line)
        self._tls_asked = verb == b"AUTH" and rest.strip().upper() in _SECURE
        if verb == b"PORT" and (six := _SIX.search(rest)):
            return self._expect(_port(six), at_server=False, address=_address(six))
        if verb == b"EPRT" and (eprt := _EPRT.match(line)):
            return self._expect(int(eprt[4]), at_server=False)
        if verb in _FILES:
            self._transfer.command = verb.decode()
            self._transfer.name = rest.strip().decode("utf-8", "replace")[:500]
        elif verb in (b"LIST", b"NLST", b"MLSD"):
            self._transfer.command, self._transfer.name = verb.decode(), ""
        return []

    def _reply(self, line: bytes) -> list[Event]:
        code = line[:4]
        if code == b"227 " and (six := _SIX.search(line)):
            return self._expect(_port(six), at_server=True, address=_address(six))
        if code == b"229 " and (epsv := _EPSV.search(line)):
            return self._expect(int(epsv[2]), at_server=True)
        if self._tls_asked and code[3:] == b" ":
            self.finished = code[:3] == b"234"
            self._tls_asked = False
        return []

    def _expect(self, port: int, *, at_server: bool, address: bytes = b"") -> list[Event]:
        if not 0 < port < 1 << 16:
            return []
        self._transfer = Transfer()
        layer = FtpData(self._settings, self._transfer)
        return [ConnectionExpected(at_server, port, layer, address)]


class FtpData:
    """The parser of one data connection."""

    name = "ftp-data"
    lost = False

    def __init__(self, settings: Settings, transfer: Transfer) -> None:
        self._transfer = transfer
        self._windows = Windows(settings)
        self._open = [False, False]
        self._at = [0, 0]
        self.finished = False

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        if not self._open[to_server] and _TLS.match(piece.data):
            self.finished = True
        if not piece.data or self.finished:
            return ()
        first = not self._open[to_server]
        self._open[to_server] = True
        self._at[to_server] = piece.offset + len(piece.data)
        events = self._content(piece.offset, piece.data, needs, first=first, last=False, to_server=to_server)
        # For rules that ask for this protocol and nothing in it.
        return [Message(1, to_server, {}, complete=False), *events] if first else events

    def closed(self, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        if not self._open[to_server]:
            return ()
        self._open[to_server] = False
        return self._content(self._at[to_server], b"", needs, first=False, last=True, to_server=to_server)

    def end(self, needs: frozenset[str]) -> Sequence[Event]:
        return [event for way in (False, True) for event in self.closed(needs, to_server=way)]

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - one file
        return Context(subject=self._transfer.name)

    def _content(
        self, offset: int, data: bytes, needs: frozenset[str], *, first: bool, last: bool, to_server: bool
    ) -> Sequence[Event]:
        content = Content(
            1, to_server, offset, len(data), data, True, 0, first, last, name=self._transfer.name
        )
        return self._windows.added([content], needs)


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The verb in upper case, and what it is about."""
    verb, _, rest = line.partition(b" ")
    return verb.upper().lstrip(b"\xff\xf4\xf2"), rest  # an interrupt may stand before ABOR


def _of_command(line: bytes) -> dict[str, list[bytes]]:
    verb, rest = _split(line)
    data = {"ftp.command_data": [rest]} if rest else {}
    return {"ftp.command": [verb], **data}


def _port(six: re.Match[bytes]) -> int:
    return int(six[5]) << 8 | int(six[6])


def _address(six: re.Match[bytes]) -> bytes:
    numbers = [int(six[index]) for index in range(1, 5)]
    return bytes(numbers) if max(numbers) < 256 else b""
