"""Where a mail ends that ends with a lone dot (SMTP's DATA, RFC 5321 4.1.1.4; POP3, RFC 1939 3)."""

import re

from omamori.firmware.engine.reassembly import Piece

_END = re.compile(rb"\r\n\.\r\n")
_WHOLE = b"\r\n.\r\n"
_BARE = re.compile(rb"\n\.\r?\n")
_MAX_AFTER = 64 << 10


class DotEnded:
    """One mail. Hands out all of it but the dot's line, which it alone holds back."""

    def __init__(self) -> None:
        self._held = b"\r\n"
        """The beginning counts as the beginning of a line."""
        self._virtual = 2
        self._held_at = -2

    def take(self, data: bytes, at: int, offset: int) -> tuple[list[tuple[bytes, int]], int, bool]:
        """Pieces with their stream offsets; the index after what was used; whether the mail ended. `offset` is that of data[0]."""
        held, self._held = self._held, b""
        text = held + data[at:]
        found = _END.search(text)
        stop = found.start() + 2 if found else len(text) - _overhang(text)
        pieces = []
        if stop > self._virtual and self._virtual < len(held):
            kept = held[self._virtual : stop]
            pieces.append((kept, self._held_at + self._virtual))
        if stop > len(held):
            pieces.append((text[len(held) : stop], offset + at))
        if found:
            return pieces, at + found.end() - len(held), True
        self._held = text[stop:]
        self._held_at = offset + len(data) - len(self._held)
        self._virtual = max(self._virtual - stop, 0)
        return pieces, len(data), False


class BareEnd:
    """Where a mail has ended for a server that takes a line feed alone for the end of a line. Only its reply tells whether it does.

    So what comes behind the first such place is kept, up to a bound: it may be commands, and mails.
    """

    def __init__(self) -> None:
        self._before = b"\n"
        self._after = b""
        self._at = 0
        self.seen = False

    def add(self, data: bytes, offset: int) -> None:
        """More of the mail as sent, from `offset` of the stream."""
        if not self.seen:
            text = self._before + data
            found = _BARE.search(text)
            if found is None:
                self._before = text[-3:]
                return
            begin = found.end() - len(self._before)
            self.seen, self._at, data = True, offset + begin, data[begin:]
        self._after += data[: max(_MAX_AFTER - len(self._after), 0)]

    def after(self) -> Piece:
        """What came behind it."""
        return Piece(self._at, 0, self._after)


def _overhang(text: bytes) -> int:
    """How many bytes at the end may begin the end mark."""
    return next((size for size in range(len(_WHOLE) - 1, 0, -1) if text.endswith(_WHOLE[:size])), 0)
