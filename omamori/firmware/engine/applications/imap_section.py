"""A section of a mail, which IMAP sends without what stands before it: its head, where that came, says how it is encoded, else its
first lines do. They are held until they are enough to tell, and only a copy of them: the packets go on.
"""

import re

from omamori.firmware.engine.applications import mime_head
from omamori.firmware.engine.applications.layer import Event
from omamori.firmware.engine.applications.mail_files import Windows
from omamori.firmware.engine.applications.mime import Mime
from omamori.firmware.engine.settings import Settings

_BASE64 = re.compile(rb"\s*[A-Za-z0-9+/]{16,}={0,2}(?:[ \t]*\r?\n[A-Za-z0-9+/=\r\n]*)?\Z")
_QUOTED = re.compile(rb"=(?:\r\n|3D)")
_ENOUGH = 1000
"""Bytes that tell the encoding. One line would not: what is no base64 may begin with a long word."""
_MAX_HEAD, _MAX_HEADS = 4 << 10, 20


class Section:
    """One section, which may come in several literals."""

    def __init__(
        self, settings: Settings, *, transaction: int, to_server: bool, size: int, head: bytes
    ) -> None:
        """`size` is that of its first literal; `head` holds the fields that came for it, empty if none did."""
        self._windows = Windows(settings)
        self._mime = Mime(transaction=transaction, to_server=to_server)
        self._enough = min(size, _ENOUGH)
        self._held: list[tuple[bytes, int]] = []
        self._begun = bool(head)
        if head:
            self._mime.feed(head + b"\r\n\r\n", 0)

    def feed(self, data: bytes, offset: int, needs: frozenset[str]) -> list[Event]:
        if self._begun:
            return self._windows.added(self._mime.feed(data, offset), needs)
        self._held.append((data, offset))
        first = b"".join(held for held, _ in self._held)
        return self._begin(first, needs) if len(first) >= self._enough else []

    def skip(self, missing: int, needs: frozenset[str]) -> list[Event]:
        return [*self._told(needs), *self._windows.added(self._mime.skip(missing), needs)]

    def end(self, needs: frozenset[str]) -> list[Event]:
        return [*self._told(needs), *self._windows.added(self._mime.end(), needs)]

    def _told(self, needs: frozenset[str]) -> list[Event]:
        """No more comes by which its encoding can be told."""
        return [] if self._begun else self._begin(b"".join(held for held, _ in self._held), needs)

    def _begin(self, first: bytes, needs: frozenset[str]) -> list[Event]:
        encoding = b"7bit"
        if _BASE64.match(first):
            encoding = b"base64"
        elif _QUOTED.search(first):
            encoding = b"quoted-printable"
        self._mime.feed(b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n", 0)
        self._begun, held, self._held = True, self._held, []
        return [
            event
            for data, offset in held
            for event in self._windows.added(self._mime.feed(data, offset), needs)
        ]


class Heads:
    """The heads of sections in one answer of the server. Bounded: of too many, or one that is too long, nothing is known."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def add(self, name: bytes, data: bytes) -> None:
        """More of the section called so, `2.MIME` or `HEADER`."""
        section = name.removesuffix(b".MIME").replace(b"HEADER", b"TEXT")
        if section in self._known or len(self._known) < _MAX_HEADS:
            self._known[section] = (self._known.get(section, b"") + data)[:_MAX_HEAD]

    def of(self, section: bytes) -> bytes:
        """The fields that say what the section is."""
        head = self._known.get(section, b"")
        lines = mime_head.Lines()
        for line in head.split(b"\n") if len(head) < _MAX_HEAD else ():
            lines.add(line + b"\n")
        return lines.kept.rstrip(b"\r\n")
