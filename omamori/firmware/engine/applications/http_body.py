"""Bodies of HTTP/1 messages: where they lie in the stream, and their decoded bytes (gzip, deflate), with limits."""

import re
import zlib
from typing import NamedTuple

from omamori.firmware.engine.applications.http_head import Framing

_SIZE_LINE = 1024
_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,12})[ \t]*(?:;|$)")
_STEP = 1 << 20
"""At most so much comes out of a decoder for one piece of input: a bomb goes off in small parts only."""
_ENCODINGS = {b"gzip": 47, b"x-gzip": 47, b"deflate": 15}


class Part(NamedTuple):
    """`length` body bytes as sent, beginning at index `begin` of the data given; `following` more for certain."""

    begin: int
    length: int
    following: int


class Body:
    """Finds a body's bytes in the stream, however it is framed."""

    __slots__ = ("_framing", "_left", "_line", "_state", "broken", "done")

    def __init__(self, framing: Framing, length: int) -> None:
        self._framing = framing
        self._left = length
        """Of the body, or of the chunk."""
        self._state = "size" if framing is Framing.CHUNKED else "data"
        self._line = b""
        self.done = framing is Framing.NONE or (framing is Framing.LENGTH and length == 0)
        self.broken = False
        """The framing cannot be followed any further."""

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
        while at < len(data) and not (self.done or self.broken):
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
            self.broken = len(self._line) > _SIZE_LINE
            return len(data)
        line, self._line = (self._line + data[at:end]).rstrip(b"\r"), b""
        if self._state == "end":
            self._state, self.broken = "size", bool(line)
        elif self._state == "trailer":
            self.done = not line
        else:
            self._begin_chunk(line)
        return end + 1

    def _begin_chunk(self, line: bytes) -> None:
        size = _SIZE.match(line)
        if size is None:
            self.broken = True
            return
        self._left = int(size[1], 16)
        self._state = "data" if self._left else "trailer"


class Decoder:
    """Undoes a Content-Encoding. What it cannot undo (unknown, damaged, beyond the limit) it hands on as it is, once."""

    __slots__ = ("_early", "_left", "_plain", "_window", "_zlib")

    def __init__(self, encoding: bytes | None, limit: int) -> None:
        name = (encoding or b"").split(b",")[-1].strip().lower()
        self._window = _ENCODINGS.get(name, 0)
        self._zlib = zlib.decompressobj(self._window) if self._window else None
        self._early = b""
        """The first byte, while it is alone: zlib's header takes two."""
        self._left = limit
        self._plain = not self._window

    @property
    def plain(self) -> bool:
        """Bytes come out as they go in."""
        return self._plain

    def feed(self, data: bytes) -> bytes:
        """Empty once the limit is reached."""
        if self._left <= 0:
            return b""
        out = data if self._zlib is None else self._inflate(data)
        self._left -= len(out)
        return out

    def _inflate(self, data: bytes) -> bytes:
        assert self._zlib is not None  # noqa: S101 - the caller asked
        early, self._early = self._early, b"" if self._early or len(data) > 1 else data
        try:
            out = self._zlib.decompress(data, min(_STEP, self._left))
            while self._zlib.unconsumed_tail and len(out) < self._left and len(out) < 16 * _STEP:
                out += self._zlib.decompress(self._zlib.unconsumed_tail, _STEP)
        except zlib.error:
            return self._damaged(early + data if self._window == 15 else data)
        if self._zlib.unconsumed_tail:
            self._left = 0
        return out

    def _damaged(self, data: bytes) -> bytes:
        if self._window == 15:  # many send raw deflate under this name
            self._window, self._zlib = -15, zlib.decompressobj(-15)
            return self._inflate(data)
        self._zlib = None
        return data
