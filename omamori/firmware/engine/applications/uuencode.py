"""Files uuencoded into the text of a mail: `begin 644 name`, lines of up to 45 bytes, `end` (POSIX uuencode; also its base64 form)."""

import binascii
import re
from dataclasses import dataclass

from omamori.firmware.engine.applications.transfer import flushed

BEGIN = re.compile(rb"(?:\A|(?<=\n))\.?begin(-base64)? +[0-7]{3,4} +([^\r\n]{1,300})\r?\n")
MAYBE = b"begin"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Line:
    """`begin` and `end` are where its letters lie in the text; `last` ends the file."""

    begin: int
    end: int
    data: bytes
    last: bool = False


class Uuencoded:
    """The lines of one file. Of a line that is not whole yet, the bytes that are there come out: they have been delivered by the time it is."""

    def __init__(self, name: bytes, *, base64: bool) -> None:
        self.name = name.strip().decode("utf-8", "replace")
        self._base64 = base64
        self._given = 0
        """Bytes of the unfinished line that came out already."""

    def lines(self, text: bytes, at: int) -> tuple[list[Line], int]:
        """The lines at and after index `at`, and the index of the first that is not whole."""
        found: list[Line] = []
        while (end := text.find(b"\n", at)) >= 0:
            found.append(self._line(text, at, end))
            at = end + 1
            if found[-1].last:
                return found, at
        if len(text) - at > _LONGEST:  # no line of such a file: what follows is text again
            found.append(Line(at, at, b"", last=True))
        elif at < len(text):
            found.append(self._begun(text, at))
        return found, at

    def _line(self, text: bytes, begin: int, newline: int) -> Line:
        end = newline - (newline > begin and text[newline - 1 : newline] == b"\r")
        given, self._given = self._given, 0
        letters = text[begin:end]
        if letters.startswith(b".."):  # the protocol's dot
            begin, letters = begin + 1, letters[1:]
        if letters.rstrip() == self._mark or len(letters) > _LONGEST:
            return Line(begin, begin, b"", last=True)
        first = begin if self._base64 else min(begin + 1, end)
        return Line(first, end, self._decoded(letters)[given:])

    def _begun(self, text: bytes, begin: int) -> Line:
        letters = text[begin:].rstrip(b"\r")
        skipped = letters.startswith(b"..") + (not self._base64)
        letters = letters[1:] if letters.startswith(b"..") else letters
        if self._mark.startswith(letters.rstrip()):
            return Line(begin, begin, b"")
        data = self._decoded(letters)
        given, self._given = self._given, max(len(data), self._given)
        return Line(min(begin + skipped, len(text)), len(text), data[given:])

    @property
    def _mark(self) -> bytes:
        """The line that ends the file."""
        return b"====" if self._base64 else b"end"

    def _decoded(self, letters: bytes) -> bytes:
        """As many bytes as these letters of a line make."""
        if self._base64:
            return flushed(letters.rstrip(b"="))
        count = (letters[0] - 32) & 63 if letters else 0
        size = (count * 4 + 5) // 3
        padded = letters[:size].ljust(size, b" ")
        try:
            return binascii.a2b_uu(padded)[: (len(letters) - 1) * 6 // 8] if count else b""
        except ValueError:
            return b""
