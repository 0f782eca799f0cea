"""PCRE as rules write it -> the dialect of Python's `re` over bytes, with the same matches.

Where the two differ in syntax the text is rewritten (`pcrepattern(3)` against the `re` manual); what cannot be said in
Python is refused with its reason, never approximated. The result is tried with `re.compile` before it is returned.
"""

import re
import warnings
from collections.abc import Iterator

CASELESS, MULTILINE, DOTALL, EXTENDED = int(re.IGNORECASE), int(re.MULTILINE), int(re.DOTALL), int(re.VERBOSE)
_POSIX = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\t\n\x0b\x0c\r ",
    "blank": r"\t ", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9a-fA-F", "word": r"\w", "cntrl": r"\x00-\x1f\x7f",
    "print": " -~", "graph": "!-~", "ascii": r"\x00-\x7f",
}  # fmt: skip
_HORIZONTAL, _VERTICAL = r"\t \xa0", r"\n\x0b\x0c\r\x85"
_SAME = frozenset("dDsSwWbB")
_CONTROL = {"a": r"\x07", "e": r"\x1b", "f": r"\x0c", "n": r"\n", "r": r"\r", "t": r"\t"}
_BRACES = re.compile(r"\{(\d+)(,?)(\d*)\}")
_INLINE = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
_NAMED = re.compile(r"\(\?(?:P?<|')([A-Za-z_]\w*)[>']")
_BACKREFERENCE = re.compile(r"\\(?:g\{?(\d+)\}?|k(?:\{(\w+)\}|<(\w+)>|'(\w+)')|g\{([A-Za-z_]\w*)\})")
_OCTAL = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{2})")


class Untranslatable(Exception):  # noqa: N818 - a statement about the pattern
    """The reason why `re` cannot match what PCRE would."""


def translate(pattern: str, *, flags: int = 0, dollar_end_only: bool = False) -> bytes:
    """`pattern` has one character for each byte. Raises Untranslatable."""
    writer = _Writer(pattern, dollar_end_only=dollar_end_only, extended=bool(flags & EXTENDED))
    try:
        expression = writer.write().encode("latin-1")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(expression, flags)
    except (re.error, ValueError, OverflowError, RecursionError, Warning) as error:
        raise Untranslatable(f"not a regular expression that can be used ({error})") from error
    return expression


class _Writer:
    """One pass over the text; `_closers` remembers how many `)` each open group needs."""

    def __init__(self, text: str, *, dollar_end_only: bool, extended: bool) -> None:
        self._text = text
        self._at = 0
        self._out: list[str] = []
        self._closers: list[int] = [1]
        self._dollar = r"\Z" if dollar_end_only else "$"
        self._extended = extended

    def write(self) -> str:
        while self._at < len(self._text):
            self._step(self._text[self._at])
        if len(self._closers) != 1:
            raise Untranslatable("'(' is never closed")
        return "".join(self._out) + ")" * (self._closers[0] - 1)

    def _step(self, character: str) -> None:
        match character:
            case "\\":
                self._escape()
            case "[":
                self._class()
            case "(":
                self._open()
            case ")":
                self._close()
            case "{":
                self._brace()
            case "$":
                self._put(self._dollar, 1)
            case "#" if self._extended:
                self._comment()
            case _:
                self._put(character, 1)

    def _put(self, text: str, used: int) -> None:
        self._out.append(text)
        self._at += used

    def _comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _close(self) -> None:
        if len(self._closers) == 1:
            raise Untranslatable("')' without '('")
        self._put(")" * self._closers.pop(), 1)

    def _brace(self) -> None:
        found = _BRACES.match(self._text, self._at)
        if found:
            self._put(found.group(), len(found.group()))
        else:
            self._put(r"\{", 1)

    def _open(self) -> None:
        rest = self._text[self._at : self._at + 4]
        if rest.startswith("(*"):
            raise Untranslatable("backtracking verbs")
        if not rest.startswith("(?"):
            self._opened("(", 1)
        elif rest.startswith("(?#"):
            end = self._text.find(")", self._at)
            if end < 0:
                raise Untranslatable("a comment is never closed")
            self._at = end + 1
        elif rest[2:4] in ("<=", "<!"):
            self._lookbehind()
        elif rest[2:3] in (":", "=", "!", ">"):
            self._opened(rest[:3], 3)
        elif named := _NAMED.match(self._text, self._at):
            self._opened(f"(?P<{named[1]}>", len(named.group()))
        elif inline := _INLINE.match(self._text, self._at):
            self._inline(inline)
        elif rest[2:3] == "P" and rest[3:4] == "=":
            self._opened("(?P=", 4)
        elif rest[2:3] == "(" and rest[3:4].isdigit():
            end = self._text.index(")", self._at) + 1
            self._opened(self._text[self._at : end], end - self._at)
        else:
            raise Untranslatable(f"{rest!r} (recursion, branch reset or a condition)")

    def _opened(self, text: str, used: int) -> None:
        self._closers.append(1)
        self._put(text, used)

    def _inline(self, found: re.Match[str]) -> None:
        on, off, end = found.groups()
        on, off = (on or "").replace("J", "").replace("U", ""), off or ""
        if set(on + off) - set("imsx"):
            raise Untranslatable(f"inline flags {found.group()!r}")
        if "x" in on + off:
            raise Untranslatable("the inline flag x")
        flags = on + (f"-{off}" if off else "")
        if end == ":":
            self._opened(f"(?{flags}:", len(found.group()))
            return
        # `(?i)` holds to the end of the group around it: that is a group of its own, closed with it.
        self._at += len(found.group())
        if flags:
            self._out.append(f"(?{flags}:")
            self._closers[-1] += 1

    def _lookbehind(self) -> None:
        """PCRE lets each alternative have its own width, Python does not: one assertion for each."""
        kind = self._text[self._at : self._at + 4]
        end = self._matching(self._at)
        branches = _alternatives(self._text[self._at + 4 : end])
        written = [
            kind + _Writer(branch, dollar_end_only=False, extended=self._extended).write() + ")"
            for branch in branches
        ]
        joined = "".join(written) if kind == "(?<!" else "(?:" + "|".join(written) + ")"
        self._put(joined, end + 1 - self._at)

    def _matching(self, start: int) -> int:
        depth = 0
        for at, character in _outside_classes(self._text, start):
            depth += (character == "(") - (character == ")")
            if depth == 0:
                return at
        raise Untranslatable("'(' is never closed")

    def _escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if not following:
            raise Untranslatable("a backslash at the end")
        if following == "Q":
            self._quoted()
        elif following == "E":
            self._at += 2
        elif following.isalnum() or following == "_":
            self._letter(following)
        else:
            self._put(re.escape(following) if following not in "/;\"':," else following, 2)

    def _quoted(self) -> None:
        end = self._text.find(r"\E", self._at)
        end = len(self._text) if end < 0 else end
        self._out.append(re.escape(self._text[self._at + 2 : end]))
        self._at = end + 2

    def _letter(self, letter: str) -> None:
        simple = {
            "h": f"[{_HORIZONTAL}]", "H": f"[^{_HORIZONTAL}]", "v": f"[{_VERTICAL}]", "V": f"[^{_VERTICAL}]",
            "R": r"(?>\r\n|[\n\x0b\x0c\r\x85])", "N": r"[^\n]", "A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)",
        }  # fmt: skip
        if letter in _SAME:
            self._put("\\" + letter, 2)
        elif letter in simple:
            self._put(simple[letter], 2)
        elif octal := _OCTAL.match(self._text, self._at):
            self._put(f"\\x{int(octal[1], 8) & 0xFF:02x}", len(octal.group()))
        elif reference := _BACKREFERENCE.match(self._text, self._at):
            number, *names = reference.groups()
            name = next((name for name in names if name), None)
            self._put(f"(?:\\{number})" if number else f"(?P={name})", len(reference.group()))
        elif letter.isdigit():
            self._put("\\" + letter, 2)
        else:
            self._put(*self._code(letter))

    def _code(self, letter: str) -> tuple[str, int]:
        """A single byte written as an escape: its `re` form and how much text it took."""
        at = self._at
        if letter in _CONTROL:
            return _CONTROL[letter], 2
        if letter == "x":
            if braced := re.compile(r"\{([0-9a-fA-F]{1,2})\}").match(self._text, at + 2):
                return f"\\x{int(braced[1], 16):02x}", 2 + len(braced.group())
            digits = re.compile(r"[0-9a-fA-F]{0,2}").match(self._text, at + 2)
            value = digits.group() if digits else ""
            return f"\\x{int(value or '0', 16):02x}", 2 + len(value)
        if letter == "c" and at + 2 < len(self._text):
            return f"\\x{ord(self._text[at + 2].upper()) ^ 64:02x}", 3
        if letter in "KGXCpPuUlLog":
            raise Untranslatable(f"the escape \\{letter}")
        return re.escape(letter), 2

    def _class(self) -> None:
        text, out, at = self._text, ["["], self._at + 1
        if text[at : at + 1] == "^":
            out.append("^")
            at += 1
        first = True
        while at < len(text) and (first or text[at] != "]"):
            first = False
            piece, at = self._class_item(at)
            out.append(piece)
        if at >= len(text):
            raise Untranslatable("'[' is never closed")
        self._put("".join(out) + "]", at + 1 - self._at)

    def _class_item(self, at: int) -> tuple[str, int]:
        text = self._text
        if text.startswith("[:", at):
            end = text.find(":]", at)
            name = text[at + 2 : end]
            if end > 0 and name in _POSIX:
                return _POSIX[name], end + 2
            if end > 0 and name.startswith("^"):
                raise Untranslatable("a negated POSIX class")
        if text[at] == "\\":
            return self._class_escape(at)
        if text[at] in "[&|~]":
            return "\\" + text[at], at + 1
        if text.startswith("--", at):
            return r"\-", at + 1
        return text[at], at + 1

    def _class_escape(self, at: int) -> tuple[str, int]:
        following = self._text[at + 1 : at + 2]
        if following == "b":
            return r"\x08", at + 2
        if following == "h":
            return _HORIZONTAL, at + 2
        if following == "v":
            return _VERTICAL, at + 2
        if following in "dDsSwW" and following:
            return "\\" + following, at + 2
        if octal := re.compile(r"\\([0-7]{1,3})").match(self._text, at):
            return f"\\x{int(octal[1], 8) & 0xFF:02x}", at + len(octal.group())
        if following.isalpha():
            saved, self._at = self._at, at
            piece, used = self._code(following)
            self._at = saved
            return piece, at + used
        return ("\\" + following if not following.isalnum() else following), at + 2


def _outside_classes(text: str, start: int) -> Iterator[tuple[int, str]]:
    """(index, character) of what stands outside classes and escapes."""
    at, inside = start, False
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if inside:
            inside = text[at] != "]"
        elif text[at] == "[":
            inside = True
            at += 1 + (text[at + 1 : at + 2] == "^")
        else:
            yield at, text[at]
        at += 1


def _alternatives(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, character in _outside_classes(text, 0):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
