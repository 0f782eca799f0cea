"""HTTP/2 frames of one direction (RFC 9113, 4 and 6), in whatever pieces the bytes come: header blocks whole, data as it comes.

Only a header block is kept, up to a limit; all else is handed on or passed over at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _PUSH, _CONTINUATION = 0, 1, 3, 5, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 32
_LAST_KIND = 0x10
"""Frames of a higher kind are extensions, which a peer passes over."""
_MAX_STREAM = 1 << 31


class NotHttp2(Exception):  # noqa: N818 - it says what the bytes are
    """A frame where none can be, or a header block over the limit."""


@dataclass(frozen=True, slots=True)
class Block:
    """A whole header block."""

    stream: int
    data: bytes
    pushed: bool
    ends: bool
    """Nothing more is sent on the stream this way."""


@dataclass(frozen=True, slots=True)
class Data:
    """More of a body: `length` bytes at index `begin` of the piece that was given."""

    stream: int
    begin: int
    length: int
    following: int
    """Bytes of the body known to follow at once."""
    ends: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The stream is over, both ways."""

    stream: int


Frame = Block | Data | Reset


class Frames:
    """Cuts one direction into frames."""

    __slots__ = (
        "_block",
        "_ends",
        "_flags",
        "_head",
        "_kind",
        "_left",
        "_limit",
        "_padding",
        "_pushed",
        "_stream",
    )

    def __init__(self, limit: int) -> None:
        self._limit = limit
        """Of a header block."""
        self._head = b""
        """Of a frame whose first bytes are not whole yet."""
        self._kind = -1
        """Of the frame under way; -1 between frames."""
        self._flags = self._stream = self._left = self._padding = 0
        self._block: bytearray | None = None
        self._pushed = self._ends = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Raises NotHttp2."""
        at = 0
        while at < len(data) or (self._kind >= 0 and self._left == 0):
            if self._kind < 0:
                at = self._begin(data, at)
                continue
            size = min(self._left, len(data) - at)
            self._left -= size
            yield from self._part(data, at, size)
            at += size
            if self._left == 0:
                yield from self._finish()

    def _begin(self, data: bytes, at: int) -> int:
        """Takes what a frame's first bytes are: nine, and those that its flags add."""
        while True:
            wanted = 9 if len(self._head) < 9 else 9 + _extra(self._head)
            if len(self._head) == wanted:
                break
            part = data[at : at + wanted - len(self._head)]
            if not part:
                return at
            self._head += part
            at += len(part)
        self._open(self._head)
        self._head = b""
        return at

    def _open(self, head: bytes) -> None:
        size = int.from_bytes(head[:3], "big")
        self._kind, self._flags = head[3], head[4]
        self._stream = int.from_bytes(head[5:9], "big") % _MAX_STREAM
        self._padding = head[9] if self._flags & _PADDED and self._kind in (_DATA, _HEADERS, _PUSH) else 0
        self._left = size - (len(head) - 9)
        if self._left < self._padding or (self._block is not None) is not (self._kind == _CONTINUATION):
            raise NotHttp2(f"frame of kind {self._kind}")
        if self._kind in (_HEADERS, _PUSH):
            self._block, self._pushed = bytearray(), self._kind == _PUSH

    def _part(self, data: bytes, at: int, size: int) -> Iterator[Frame]:
        useful = max(min(size, self._left + size - self._padding), 0)
        if self._kind == _DATA and useful:
            yield Data(self._stream, at, useful, max(self._left - self._padding, 0), ends=False)
        elif self._kind in (_HEADERS, _PUSH, _CONTINUATION) and self._block is not None:
            self._block += data[at : at + useful]
            if len(self._block) > self._limit:
                raise NotHttp2("a header block over the limit")

    def _finish(self) -> Iterator[Frame]:
        kind, self._kind = self._kind, -1
        ends = bool(self._flags & _END_STREAM)
        if kind == _DATA and ends:
            yield Data(self._stream, 0, 0, 0, ends=True)
        elif kind == _RESET:
            yield Reset(self._stream)
        elif self._block is not None:
            # Only the first frame of a block says whether the stream ends with it.
            self._ends = ends if kind == _HEADERS else self._ends and kind == _CONTINUATION
            if self._flags & _END_HEADERS:
                block, self._block = bytes(self._block), None
                yield Block(self._stream, block, self._pushed, self._ends)


def _extra(head: bytes) -> int:
    """Bytes before what a frame carries: the length of its padding, a priority, a promised stream."""
    kind, flags = head[3], head[4]
    if kind > _LAST_KIND and head[0]:
        raise NotHttp2("no frame")
    padded = bool(flags & _PADDED)
    if kind == _DATA:
        return int(padded)
    if kind == _HEADERS:
        return padded + 5 * bool(flags & _PRIORITY)
    return padded + 4 if kind == _PUSH else 0
