"""Content transfer encodings undone as a stream: base64, quoted-printable, identity; any cut of the input gives the same output.

Lenient as mail programs are: bytes outside an alphabet are skipped, data after padding goes on.
"""

import binascii
import re
from typing import Protocol

from omamori.firmware.engine.rewriting import Filler

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_JUNK = bytes(byte for byte in range(256) if byte not in _ALPHABET)
_PADDING = re.compile(rb"=+")
_CUT = re.compile(rb"(?:=(?:[0-9A-Fa-f]|[ \t]*\r?)?|[ \t]+\r?)\Z")
_MAX_CUT = 100
_SOFT = re.compile(rb"=[ \t]+(?=\r?\n)")


class Decoder(Protocol):
    """`filler` is what keeps the encoded form decodable."""

    filler: Filler

    def feed(self, raw: bytes) -> bytes: ...

    def end(self) -> bytes:
        """What was waiting for more."""
        ...


class Identity:
    """Bytes as they are; `dotted` ones lose the dot that mail protocols put before lines that begin with one."""

    def __init__(self, *, dotted: bool, filler: Filler = Filler.TEXT) -> None:
        self.filler = filler
        self._dots = Undotted() if dotted else None

    def feed(self, raw: bytes) -> bytes:
        return self._dots.feed(raw) if self._dots else raw

    def end(self) -> bytes:
        return b""


class Undotted:
    """Takes the first dot of each line away (RFC 5321, 4.5.2)."""

    def __init__(self) -> None:
        self._line_start = True

    def feed(self, raw: bytes) -> bytes:
        if not raw:
            return raw
        data = raw[1:] if self._line_start and raw.startswith(b".") else raw
        self._line_start = raw.endswith(b"\n")
        return data.replace(b"\n.", b"\n") if b"\n." in data else data


class Base64:
    """RFC 2045, 6.8. A byte comes out as soon as its last letter is there, so that it is seen before that letter is delivered."""

    filler = Filler.BASE64

    def __init__(self) -> None:
        self._rest = b""
        self._given = 0
        """Bytes of the unfinished four letters that came out already."""

    def feed(self, raw: bytes) -> bytes:
        clean = self._rest + raw.translate(None, _JUNK)
        given = self._given
        *whole, clean = _PADDING.split(clean) if b"=" in clean else [clean]
        done = b"".join(flushed(part) for part in whole)
        even = len(clean) & ~3
        self._rest = clean[even:]
        begun = flushed(self._rest)
        self._given = len(begun)
        return (done + binascii.a2b_base64(clean[:even]) + begun)[given:]

    def end(self) -> bytes:
        self._rest, self._given = b"", 0
        return b""


def flushed(letters: bytes) -> bytes:
    """Base64 letters up to whole bytes, as if padded; nothing for what is none."""
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    try:
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    except ValueError:
        return b""


class Quoted:
    """RFC 2045, 6.7."""

    filler = Filler.QUOTED

    def __init__(self, *, dotted: bool) -> None:
        self._rest = b""
        self._dots = Undotted() if dotted else None

    def feed(self, raw: bytes) -> bytes:
        data = self._rest + (self._dots.feed(raw) if self._dots else raw)
        cut = _CUT.search(data, max(len(data) - _MAX_CUT, 0))
        self._rest = data[cut.start() :] if cut else b""
        # Blanks that were added at a line's end hide no soft line break (rule 3).
        return binascii.a2b_qp(_SOFT.sub(b"=", data[: cut.start()] if cut else data))

    def end(self) -> bytes:
        rest, self._rest = self._rest, b""
        return binascii.a2b_qp(rest)


def decoder(encoding: bytes, *, dotted: bool, filler: Filler = Filler.TEXT) -> Decoder:
    """Of a content transfer encoding, lower case; what is not known is taken as it is."""
    if encoding == b"base64":
        return Base64()
    if encoding == b"quoted-printable":
        return Quoted(dotted=dotted)
    return Identity(dotted=dotted, filler=filler)
