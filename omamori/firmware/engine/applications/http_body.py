"""Where the bodies of HTTP/1 messages lie in the stream (RFC 9112, 6 and 7)."""

import re
from collections.abc import Sequence
from dataclasses import replace

from omamori.firmware.engine.applications.http_head import Framing
from omamori.firmware.engine.applications.layer import Content, Event

MANY = 512
"""Parts of bodies in one piece of a stream, beyond which they are handed on together."""
_SIZE_LINE = 1024
_SIZE = re.compile(rb"[ \t\r\v\f\0]*\+?(?:0[xX](?=[0-9a-fA-F]))?0*([0-9a-fA-F]{1,12})(?![0-9a-fA-F])")
_NO_SIZE = re.compile(rb"[ \t\r\v\f\0]*[^ \t\r\n\v\f\0+0-9a-fA-F]")


class Part:
    """`length` body bytes as sent, beginning at index `begin` of the data given; `following` more for certain."""

    __slots__ = ("begin", "following", "length")

    def __init__(self, begin: int, length: int, following: int) -> None:
        self.begin, self.length, self.following = begin, length, following


class Body:
    """Finds a body's bytes in the stream, however it is framed.

    Chunks that are none make all that follows the body, as for receivers that do not know chunks.
    """

    __slots__ = ("_framing", "_left", "_line", "_state", "done", "invalid")

    def __init__(self, framing: Framing, length: int) -> None:
        self._framing = framing
        self._left = length
        """Of the body, or of the chunk."""
        self._state = "size" if framing is Framing.CHUNKED else "data"
        self._line = b""
        self.invalid = False
        """A chunk has no length that can be read."""
        self.done = framing is Framing.NONE or (framing is Framing.LENGTH and length == 0)

    def take(self, data: bytes, at: int) -> tuple[Part | None, int]:
        """The next part of the body at or after index `at`, and the index to go on from."""
        if self._framing is Framing.CLOSE:
            return Part(at, len(data) - at, 0), len(data)
        if self._framing is Framing.CHUNKED:
            return self._chunked(data, at)
        length = min(self._left, len(data) - at)
        self._left -= length
        self.done = self._left == 0
        return Part(at, length, self._left), at + length

    def skip(self, missing: int) -> bool:
        """Bytes are lost; False if the end of the body cannot be told any more."""
        if self._framing is Framing.CLOSE:
            return True
        if self._state != "data" or missing > self._left:
            return False
        self._left -= missing
        if self._left == 0:
            self.done = self._framing is Framing.LENGTH
            self._state = "end"
        return True

    def _chunked(self, data: bytes, at: int) -> tuple[Part | None, int]:
        while at < len(data) and not self.done:
            if self._framing is Framing.CLOSE:
                return self.take(data, at)
            if self._state == "size" and not self._line and _NO_SIZE.match(data, at):
                self._framing, self.invalid = Framing.CLOSE, True
                continue
            if self._state == "data":
                length = min(self._left, len(data) - at)
                self._left -= length
                self._state = "data" if self._left else "end"
                return Part(at, length, self._left), at + length
            at = self._control_line(data, at)
        return None, at

    def _control_line(self, data: bytes, at: int) -> int:
        """A size, the end of a chunk, or a trailer."""
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            if len(self._line) > _SIZE_LINE:
                self._framing, self.invalid = Framing.CLOSE, True
            return len(data)
        line, self._line = (self._line + data[at:end]).rstrip(b"\r"), b""
        if self._state == "end":
            self._state = "size"
        elif self._state == "trailer":
            self.done = not line
        else:
            self._begin_chunk(line)
        return end + 1

    def _begin_chunk(self, line: bytes) -> None:
        if not line:
            return
        size = _SIZE.match(line)
        if size is None:
            self._framing, self.invalid = Framing.CLOSE, True
            return
        self._left = int(size[1], 16)
        self._state = "data" if self._left else "trailer"


def together(events: Sequence[Event]) -> Sequence[Event]:
    """The same with neighbouring parts of a file as one, their framing included: a sender of tiny chunks costs no more."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if (
            isinstance(event, Content)
            and isinstance(last, Content)
            and not event.first
            and not last.last
            and (event.transaction, event.to_server) == (last.transaction, last.to_server)
            and event.length
            and last.length < MANY
        ):
            end = event.offset + event.length
            data = last.data + event.data
            out[-1] = replace(
                last, length=end - last.offset, data=data, plain=False, following=event.following
            )
        else:
            out.append(event)
    return out
