"""Content-Encoding undone (gzip, deflate, br, lzma), layer by layer and within limits: a bomb goes off in small parts only.

What cannot be undone is handed on as it is; what lies beyond the limit is not handed on at all.
"""

import re
import zlib
from collections.abc import Callable
from typing import Protocol

_STEP = 1 << 20
"""At most about so much comes out of a decoder at once."""
_BURST = 16 * _STEP
"""And so much for one piece of input."""
_ENCODING = re.compile(rb"gzip|deflate|(?<![a-z])br(?![a-z])|lzma|(?<![a-z])xz(?![a-z])", re.IGNORECASE)
_MAX_LAYERS = 4
_LZMA_MEMORY = 32 << 20
_EARLY = 4096
_GZIP = b"\x1f\x8b"
_MAX_MEMBERS = 64
"""Gzip files one after the other in one body; more is no file but an attack on the decoder."""


class _Layer(Protocol):
    def feed(self, data: bytes, limit: int) -> bytes: ...


class Decoder:
    """One body's."""

    __slots__ = ("_layers", "_left")

    def __init__(self, encoding: bytes | None, limit: int) -> None:
        names = _ENCODING.findall(encoding)[:_MAX_LAYERS] if encoding else ()
        # The last encoding named was applied last, and is undone first (RFC 9110, 8.4).
        self._layers: list[_Layer] = [_KINDS.get(name.lower(), _Inflate)() for name in reversed(names)]
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

    __slots__ = ("_early", "_given_up", "_members", "_others", "_rest", "_zlib")

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(47)
        self._others: list[Callable[[bytes], bytes]] = [_after_gzip_header, bytes]
        self._early: bytes | None = b""
        self._given_up = False
        self._members = 0
        self._rest = b""
        """What follows a member and is too short to tell."""

    def feed(self, data: bytes, limit: int) -> bytes:
        if self._given_up:
            return data
        if self._early is None:
            return self._next_member(data, limit) if self._zlib.eof else self._later(data, limit)
        whole, source = self._early + data, data
        while True:
            try:
                out = self._inflate(source, limit)
            except zlib.error:
                if not self._others:
                    return self._give_up(whole)
                source = self._others.pop(0)(whole)
                self._zlib = zlib.decompressobj(-15)
                continue
            self._early = None if out or len(whole) > _EARLY else whole
            return out + self._following(limit - len(out))

    def _later(self, data: bytes, limit: int) -> bytes:
        before = self._zlib.copy()
        try:
            out = self._inflate(data, limit)
        except zlib.error:
            return self._up_to_the_damage(before, data)
        return out + self._following(limit - len(out))

    def _up_to_the_damage(self, decompressor: "zlib._Decompress", data: bytes) -> bytes:
        """A wrong check sum makes zlib keep back all that the same call decoded; receivers take it none the less."""
        out = b""
        self._give_up(b"")
        for at in range(len(data)):
            try:
                out += decompressor.decompress(data[at : at + 1], _STEP)
            except zlib.error:
                return out if decompressor.eof or at + 8 >= len(data) else out + data[at:]
        return out

    def _following(self, limit: int) -> bytes:
        rest = self._zlib.unused_data if self._zlib.eof else b""
        return self._next_member(rest, limit) if rest else b""

    def _next_member(self, data: bytes, limit: int) -> bytes:
        """A gzip file may be several, one after the other (RFC 1952, 2.2); anything else after the first is no data."""
        self._rest += data
        if limit <= 0 or self._members > _MAX_MEMBERS or len(self._rest) < len(_GZIP):
            return b""
        data, self._rest = self._rest, b""
        self._members += 1
        if not data.startswith(_GZIP):
            self._members = _MAX_MEMBERS + 1
            return b""
        self._zlib = zlib.decompressobj(31)
        return self._later(data, limit)

    def _inflate(self, data: bytes, limit: int) -> bytes:
        out = self._zlib.decompress(data, min(_STEP, limit))
        while self._zlib.unconsumed_tail and len(out) < min(limit, _BURST):
            out += self._zlib.decompress(self._zlib.unconsumed_tail, _STEP)
        return out

    def _give_up(self, data: bytes) -> bytes:
        self._given_up, self._early = True, None
        return data


class _Brotli:
    """One layer of RFC 7932; damaged data is handed on as it is.

    The library is loaded when the first such body comes: most hosts use brotli inside TLS only.
    """

    __slots__ = ("_broken", "_decompressor", "_error")

    def __init__(self) -> None:
        import brotli

        self._decompressor = brotli.Decompressor()
        self._error = brotli.error
        self._broken = False

    def feed(self, data: bytes, limit: int) -> bytes:
        if self._broken or self._decompressor.is_finished():
            return data if self._broken else b""
        out = b""
        try:
            while True:
                part: bytes = self._decompressor.process(data, output_buffer_limit=_STEP)
                out, data = out + part, b""
                if not part or len(out) >= min(limit, _BURST):
                    break
        except self._error:
            self._broken = True
            return out or data
        self._broken = len(out) >= _BURST
        return out


class _Lzma:
    """One layer of xz or of the older lzma format; damaged data is handed on as it is."""

    __slots__ = ("_broken", "_decompressor", "_error")

    def __init__(self) -> None:
        import lzma

        self._decompressor = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
        self._error = lzma.LZMAError
        self._broken = False

    def feed(self, data: bytes, limit: int) -> bytes:
        if self._broken or self._decompressor.eof:
            return data if self._broken else b""
        out = b""
        try:
            out = self._decompressor.decompress(data, min(_STEP, limit))
            while not (self._decompressor.eof or self._decompressor.needs_input) and len(out) < min(
                limit, _BURST
            ):
                out += self._decompressor.decompress(b"", _STEP)
        except self._error:
            self._broken = True
            return out or data
        return out


_KINDS: dict[bytes, Callable[[], _Layer]] = {b"br": _Brotli, b"lzma": _Lzma, b"xz": _Lzma}
"""Others are told apart by their first bytes."""


def _after_gzip_header(data: bytes) -> bytes:
    """Past a gzip header (RFC 1952) whose flags or check sum are wrong."""
    if not data.startswith(_GZIP) or len(data) < 12:
        return data
    flags, at = data[3], 10
    if flags & 4:
        at += 2 + int.from_bytes(data[10:12], "little")
    for flag in (8, 16):
        if flags & flag:
            at = data.find(b"\0", at) + 1
    return data[at + (2 if flags & 2 else 0) :]
