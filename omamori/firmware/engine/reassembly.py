"""One direction of a TCP connection put back in order.

Each byte is delivered once, in order; what came first wins where segments overlap. Everything delivered has an offset that
counts from the beginning of the direction (or from where it was picked up), the same for the same sequence number for as long
as the flow is known. Out-of-order data is bounded; a hole that can no longer be filled is skipped and said so.
"""

from bisect import bisect_left
from typing import NamedTuple

_WRAP = 1 << 32
_HALF = 1 << 31
_FAR = 4 << 20
"""A segment so far ahead is not of this connection's window, unless they keep coming."""
_FAR_PATIENCE = 16
_MAX_SEGMENTS = 1024


class Piece(NamedTuple):
    """The next bytes of a direction, after `missing` bytes that will never be seen."""

    offset: int
    """Of the first byte of `data`."""
    missing: int
    data: bytes


class Reassembly:
    """The state of one direction."""

    __slots__ = ("_begins", "_far", "_next", "_pending", "finished_at", "held", "offset")

    def __init__(self) -> None:
        self.offset = 0
        """Of the next byte to be delivered."""
        self.held = 0
        """Out-of-order bytes kept."""
        self.finished_at: int | None = None
        """Offset at which the sender said it ends."""
        self._next: int | None = None
        self._begins: list[int] = []
        self._pending: list[bytes] = []
        self._far = 0

    @property
    def begun(self) -> bool:
        return self._next is not None

    @property
    def expected(self) -> int | None:
        """The sequence number of the next byte to be delivered; None before anything is known."""
        return self._next

    @property
    def finished(self) -> bool:
        return self.finished_at is not None and self.offset >= self.finished_at

    def begin(self, sequence: int) -> None:
        """The sequence number of the first byte; does nothing once that is known."""
        if self._next is None:
            self._next = sequence % _WRAP

    def position(self, sequence: int) -> int:
        """The offset of a sequence number near the present one; negative before the beginning."""
        if self._next is None:
            return 0
        return self.offset + (sequence - self._next + _HALF) % _WRAP - _HALF

    def finish(self, sequence: int) -> None:
        """The sender has no byte at or after `sequence`."""
        if self.finished_at is None and self._next is not None:
            self.finished_at = self.position(sequence)

    def push(self, sequence: int, data: bytes, limit: int) -> list[Piece]:
        """What can be delivered now that `data` came, keeping at most `limit` out-of-order bytes."""
        self.begin(sequence)
        at = self.position(sequence)
        if at == self.offset and not self._pending:
            return [self._deliver(data)]
        end = at + len(data)
        if end <= self.offset:
            return []
        if at < self.offset:
            data, at = data[self.offset - at :], self.offset
        if at - self.offset > _FAR and self._is_stray():
            return []
        self._keep(at, data)
        pieces = self._drain()
        while self.held > limit or len(self._pending) > _MAX_SEGMENTS:
            pieces += self.skip()
        return pieces

    def acknowledged(self, sequence: int) -> list[Piece]:
        """The receiver has everything before `sequence`: a hole before it, with data kept behind, will not be filled."""
        if not self._pending or self.position(sequence) <= self.offset:
            return []
        return self.skip()

    def skip(self) -> list[Piece]:
        """Give up on the first hole and deliver what is behind it."""
        if not self._pending:
            return []
        missing = self._begins[0] - self.offset
        self._advance(missing)
        first, *others = self._drain()
        return [first._replace(missing=missing), *others]

    def _is_stray(self) -> bool:
        self._far += 1
        return self._far < _FAR_PATIENCE

    def _deliver(self, data: bytes) -> Piece:
        piece = Piece(self.offset, 0, data)
        self._advance(len(data))
        self._far = 0
        return piece

    def _advance(self, count: int) -> None:
        assert self._next is not None  # noqa: S101 - begun before anything is delivered
        self.offset += count
        self._next = (self._next + count) % _WRAP

    def _drain(self) -> list[Piece]:
        pieces = []
        while self._begins and self._begins[0] <= self.offset:
            del self._begins[0]
            data = self._pending.pop(0)
            self.held -= len(data)
            pieces.append(self._deliver(data))
        return pieces

    def _keep(self, at: int, data: bytes) -> None:
        """Keep the parts of `data` that no earlier segment covers."""
        index = bisect_left(self._begins, at)
        if index and self._begins[index - 1] + len(self._pending[index - 1]) > at:
            index -= 1
        end = at + len(data)
        cursor = at
        while cursor < end:
            taken = self._begins[index] if index < len(self._begins) else end
            if cursor < taken:
                part = data[cursor - at : min(taken, end) - at]
                self._begins.insert(index, cursor)
                self._pending.insert(index, part)
                self.held += len(part)
                index += 1
            if index >= len(self._begins) or taken >= end:
                return
            cursor = max(cursor, taken + len(self._pending[index]))
            index += 1
