"""Files uuencoded into the text of a mail: `begin 644 name`, lines of up to 45 bytes, `end` (POSIX uuencode; also its base64 form)."""

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

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
    """The lines of one file."""

    def __init__(self, name: bytes, *, base64: bool) -> None:
        self.name = name.strip().decode("utf-8", "replace")
        self._base64 = base64

    def lines(self, text: bytes, at: int) -> tuple[list[Line], int]:
        """The whole lines at and after index `at`, and the index of the first that is not whole."""
        found: list[Line] = []
        while (end := text.find(b"\n", at)) >= 0:
            found.append(self._line(text, at, end))
            at = end + 1
            if found[-1].last:
                return found, at
        if len(text) - at > _LONGEST:  # no line of such a file: what follows is text again
            found.append(Line(at, at, b"", last=True))
        return found, at

    def _line(self, text: bytes, begin: int, newline: int) -> Line:
        end = newline - (newline > begin and text[newline - 1 : newline] == b"\r")
        letters = text[begin:end]
        if letters.startswith(b".."):  # the protocol's dot
            begin, letters = begin + 1, letters[1:]
        if letters.rstrip() == (b"====" if self._base64 else b"end") or len(letters) > _LONGEST:
            return Line(begin, begin, b"", last=True)
        if self._base64:
            return Line(begin, end, _quietly(binascii.a2b_base64, letters))
        return Line(min(begin + 1, end), end, _decoded(letters))


def _decoded(letters: bytes) -> bytes:
    """Of one line; a line that is not right gives what the lenient formula of common decoders gives."""
    if not letters:
        return b""
    count = (letters[0] - 32) & 63
    size = (count * 4 + 5) // 3
    padded = letters[:size].ljust(size, b" ")
    return _quietly(binascii.a2b_uu, padded)


def _quietly(decode: Callable[[bytes], bytes], letters: bytes) -> bytes:
    try:
        return decode(letters)
    except ValueError:
        return b""
