"""Bodies of HTTP/1 messages: where they lie in the stream, and their decoded bytes (gzip, deflate), with limits."""

import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

from omamori.firmware.engine.applications.http_head import Framing

_SIZE_LINE = 1024
_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,12})(?![0-9a-fA-F])")
_NO_SIZE = re.compile(rb"[ \t]*[^ \t\r0-9a-fA-F]")
_STEP = 1 << 20
"""At most so much comes out of a decoder for one piece of input: a bomb goes off in small parts only."""
_BURST = 16 * _STEP
_ENCODING = re.compile(rb"gzip|deflate", re.IGNORECASE)
_MAX_LAYERS = 4
_EARLY = 4096


class Part(NamedTuple):
    """`length` body bytes as sent, beginning at index `begin` of the data given; `following` more for certain."""

    begin: int
    length: int
    following: int


class Body:
    """Finds a body's bytes in the stream, however it is framed.

    Chunks that are none make all that follows the body, as for receivers that do not know chunks.
    """

    __slots__ = ("_framing", "_left", "_line", "_state", "done")

    def __init__(self, framing: Framing, length: int) -> None:
        self._framing = framing
        self._left = length
        """Of the body, or of the chunk."""
        self._state = "size" if framing is Framing.CHUNKED else "data"
        self._line = b""
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
                self._framing = Framing.CLOSE
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
                self._framing = Framing.CLOSE
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
            self._framing = Framing.CLOSE
            return
        self._left = int(size[1], 16)
        self._state = "data" if self._left else "trailer"


class Decoder:
    """Undoes a Content-Encoding, layer by layer. What it cannot undo it hands on as it is; beyond the limit, nothing."""

    __slots__ = ("_layers", "_left")

    def __init__(self, encoding: bytes | None, limit: int) -> None:
        names = _ENCODING.findall(encoding or b"")[:_MAX_LAYERS]
        self._layers = [_Inflate() for _ in names]
        self._left = limit

    @property
    def plain(self) -> bool:
        """Bytes come out as they go in."""
        return not self._layers

    def feed(self, data: bytes) -> bytes:
        """Empty once the limit is reached."""
        if self._left <= 0:
            return b""
        for layer in self._layers:
            data = layer.feed(data, self._left)
        self._left -= len(data)
        return data


class _Inflate:
    """One layer: gzip or zlib, as its first bytes say, else bare deflate, else nothing that can be undone.

    Senders mix these up, and damaged gzip headers are a way past scanners: so each is tried on what came before the first
    byte came out.
    """

    __slots__ = ("_early", "_others", "_zlib")

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(47)
        self._others: list[Callable[[bytes], bytes]] = [_after_gzip_header, bytes]
        self._early: bytes | None = b""

    def feed(self, data: bytes, limit: int) -> bytes:
        if self._early is None and self._zlib.eof:
            return b""
        source = data
        while True:
            try:
                out = self._inflate(source, limit)
            except zlib.error:
                whole = (self._early or b"") + data
                if self._early is None or not self._others:
                    return self._give_up(data if self._early is None else whole)
                source = self._others.pop(0)(whole)
                self._zlib = zlib.decompressobj(-15)
                continue
            self._early = (
                None if out or self._early is None or len(self._early) > _EARLY else self._early + data
            )
            return out

    def _inflate(self, data: bytes, limit: int) -> bytes:
        out = self._zlib.decompress(data, min(_STEP, limit))
        while self._zlib.unconsumed_tail and len(out) < min(limit, _BURST):
            out += self._zlib.decompress(self._zlib.unconsumed_tail, _STEP)
        return out

    def _give_up(self, data: bytes) -> bytes:
        self._early, self._others = b"", []
        self._zlib = zlib.decompressobj(47)
        return data


def _after_gzip_header(data: bytes) -> bytes:
    """Past a gzip header (RFC 1952) whose flags or check sum are wrong."""
    if not data.startswith(b"\x1f\x8b") or len(data) < 12:
        return data
    flags, at = data[3], 10
    if flags & 4:
        at += 2 + int.from_bytes(data[10:12], "little")
    for flag in (8, 16):
        if flags & flag:
            at = data.find(b"\0", at) + 1
    return data[at + (2 if flags & 2 else 0) :]
