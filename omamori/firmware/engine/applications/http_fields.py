"""The field lines of an HTTP/1 head, and what is made of them: once for all heads that have the very same lines.

A browser sends the same lines with request after request. Lines in the ordinary form (`Name: value`, nothing odd) are taken
apart in one pass; all others as lenient receivers take them, for an attacker would use them. Both ways give the same.
"""

import re
from collections.abc import Sequence
from typing import Final

from omamori.firmware.engine.inspection import Kept

_FOLDS: Final = (b" ", b"\t", b"\0")
_MAX_FIELDS: Final = 4096
"""Of those that only rules look at."""
_LINE_END: Final = re.compile(rb"\r?\n|\r")
_WHOLE_LINE_END: Final = re.compile(rb"\r?\n|\r(?!\n|\Z)")
_NEEDED: Final = re.compile(
    rb"[ \t]*(?:host|authorization|upgrade|transfer-encoding|content-(?:encoding|length|type|disposition))",
    re.IGNORECASE,
)
"""Fields that say what is asked for, and where a body lies and how: looked at wherever they stand."""
_NAME: Final = 64
"""Bytes of a line in which such a name would stand."""
_FRAMING: Final = re.compile(
    rb"[ \t\0]*(?:transfer-encoding|content-(?:encoding|length))[ \t\0]*:", re.IGNORECASE
)
_REGULAR: Final = re.compile(rb"(?:[!-9;-~]++: [!-\xff](?:[ -\xff]*[!-\xff])?\r\n){0,200}+\r\n")
_PAIR: Final = re.compile(rb"([!-9;-~]++): ([^\r]++)\r\n")
_REMEMBERED: Final = 512
_LONGEST: Final = 2048


class Fields:
    """Name as sent, value without the spaces around it."""

    __slots__ = ("made", "pairs", "raw", "regular", "values")

    def __init__(self, raw: bytes, pairs: list[tuple[bytes, bytes]], *, regular: bool = False) -> None:
        """`raw` is the field lines and the empty line after them."""
        self.raw, self.pairs, self.regular = raw, pairs, regular
        self.made: Kept | None = None
        """The buffers that rules see of them, where these lines came again."""
        self.values: dict[bytes, bytes] = {}
        """By name in lower case."""
        repeated: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            # Some receivers ignore a zero byte in a name, so it is a way past scanners that do not.
            key = name.lower() if regular else name.lower().replace(b"\0", b"")
            if key in self.values:
                repeated.setdefault(key, [self.values[key]]).append(value)
            else:
                self.values[key] = value
        for key, values in repeated.items():
            # They mean one list (RFC 9110, 5.3).
            self.values[key] = b", ".join(values)


NONE: Final = Fields(b"", [])


class FieldMemory:
    """Field lines that came before. Bounded; no line with credentials is kept.

    With a cookie of its own in each request no lines come again, so only the second time more is made of them than is needed.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Fields] = {}

    def of(self, raw: bytes) -> Fields:
        """The same object for the same lines, as long as they are remembered."""
        known = self._known.get(raw)
        if known is not None:
            if known.made is None:
                known.made = Kept()
            return known
        fields = read(raw)
        if fields.regular and len(raw) <= _LONGEST and b"authorization" not in fields.values:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[raw] = fields
        return fields


def read(raw: bytes, hidden: bytes = b"") -> Fields:
    """From the lines after the first; `hidden` is what a bare carriage return hid in that one."""
    if not hidden and _REGULAR.fullmatch(raw):
        return Fields(raw, _PAIR.findall(raw), regular=True)
    return Fields(raw, _leniently(raw, hidden))


def shortened(text: bytes, limit: int) -> bytes:
    """The beginning of a head in at most `limit` bytes: its first line, the needed fields, and the line that is not over yet."""
    *lines, last = _WHOLE_LINE_END.split(text)
    line, kept, room = limit // 8, lines[:1], limit // 2
    needed = False
    for each in lines[1:]:
        needed = _is_needed(each) or (needed and each[:1] in _FOLDS)
        if needed and room > 0:
            kept.append(each[:line])
            room -= len(kept[-1]) + 2
    return b"\r\n".join([kept[0][: limit // 4], *kept[1:], last[:line]] if kept else [last[: limit // 4]])


def _is_needed(line: bytes) -> bool:
    return _NEEDED.match(line[:_NAME].replace(b"\0", b"")) is not None


def _leniently(raw: bytes, hidden: bytes) -> list[tuple[bytes, bytes]]:
    """A line without a colon has no name; only one that begins with space, or with a NUL that clients take for it, continues another (RFC 9112, 5.2)."""
    lines = _unfolded(_LINE_END.split(hidden + b"\n" + raw if hidden else raw))
    if len(lines) > _MAX_FIELDS:
        lines = lines[:_MAX_FIELDS] + [line for line in lines[_MAX_FIELDS:] if _is_needed(line)]
    pairs: list[tuple[bytes, bytes]] = []
    for text in lines:
        name, colon, value = text.partition(b":")
        pairs.append((name.strip(), value.strip()) if colon else (b"", text.strip()))
    return pairs


def _unfolded(lines: Sequence[bytes]) -> list[bytes]:
    """Field lines with the lines that continue them; a continuation that looks like framing counts as a field, too."""
    whole: list[list[bytes]] = []
    for text in lines:
        if whole and text[:1] in _FOLDS and text.strip():
            whole[-1].append(text.strip())
            if _FRAMING.match(text):
                whole.append([text])
        elif text.strip():
            whole.append([text])
    return [b" ".join(parts) for parts in whole]
