"""One direction of a TCP connection put back in order.

Each byte is delivered once, in order; what came first wins where segments overlap. Everything delivered has an offset that
counts from the beginning of the direction (or from where it was picked up), the same for the same sequence number for as long
as the flow is known. Out-of-order data is bounded; a hole that can no longer be filled is skipped and said so.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

_WRAP = 1 << 32
_HALF = 1 << 31
_FAR = 8 << 20
"""A segment so far ahead is not of this connection's window: no receiver has more room by default, and Linux begins the next
connection between the same ports so much further on within a second."""
_JOINED = 512
"""Neighbours up to this size are kept as one: a comparison must not cost more for a byte in each segment."""
_MAX_SEGMENTS = 4096
_MOST_GIVEN_UP = 64
_MAX_RECENT = 256
_SURELY = 3
"""Copies of what lies behind a hole, while packets pass unseen: its sender begins there, so what is before was acknowledged."""
_DENSE = 256
"""Bytes that neighbours have on average at least, as smaller ones are joined: beyond holes, no more parts are kept than that makes."""
LEAST_KEPT = 64 << 10
MOST_KEPT = _FAR
"""Bytes kept after their delivery, until they are acknowledged, to compare what is sent again with: what lies further back is not of
this connection's window."""


def _begin_of(part: tuple[int, bytes]) -> int:
    return part[0]


@dataclass(slots=True, init=False)
class Piece:
    """The next bytes of a direction, after `missing` bytes that will never be seen. Not changed once made."""

    offset: int
    """Of the first byte of `data`."""
    missing: int
    data: bytes

    def __init__(self, offset: int, missing: int, data: bytes) -> None:
        self.offset, self.missing, self.data = offset, missing, data


def is_far(distance: int) -> bool:
    """Between two sequence numbers, too much for one connection's window."""
    return not -_FAR < (distance + _HALF) % _WRAP - _HALF < _FAR


class Reassembly:
    """The state of one direction."""

    __slots__ = (
        "_again",
        "_begins",
        "_pending",
        "_recent",
        "expected",
        "finished_at",
        "given_up",
        "held",
        "kept",
        "offset",
        "received",
        "room",
        "urgent",
    )

    def __init__(self) -> None:
        self.offset = 0
        """Of the next byte to be delivered."""
        self.held = 0
        """Out-of-order bytes kept."""
        self.finished_at: int | None = None
        """Offset at which the sender said it ends."""
        self.kept = 0
        """Delivered bytes kept for comparison."""
        self.room = LEAST_KEPT
        """How many may be, but for the newest segment."""
        self.urgent: int | None = None
        """Offset of the newest urgent byte, until it is delivered."""
        self.received = 0
        """Offset up to which the receiver has everything, of which what is missing passed unseen."""
        self.given_up: tuple[tuple[int, int], ...] = ()
        """Holes, from where to where, that may still be filled, but no longer inspected."""
        self._again = 0
        """Copies that came of what is held, since anything was delivered."""
        self._recent: deque[tuple[int, bytes]] = deque()
        self.expected: int | None = None
        """The sequence number of the next byte to be delivered; None before anything is known."""
        self._begins: list[int] = []
        self._pending: list[bytes] = []

    @property
    def begun(self) -> bool:
        return self.expected is not None

    @property
    def finished(self) -> bool:
        return self.finished_at is not None and self.offset >= self.finished_at

    def begin(self, sequence: int) -> None:
        """The sequence number of the first byte; does nothing once that is known."""
        if self.expected is None:
            self.expected = sequence % _WRAP

    def position(self, sequence: int) -> int:
        """The offset of a sequence number near the present one; negative before the beginning."""
        if self.expected is None:
            return 0
        return self.offset + (sequence - self.expected + _HALF) % _WRAP - _HALF

    def is_near(self, sequence: int) -> bool:
        """It can be of this connection's window, which ends where the sender said (the end has a number of its own)."""
        if self.expected is None:
            return True
        most = _FAR if self.finished_at is None else self.finished_at + 1 - self.offset
        return -_FAR < (sequence - self.expected + _HALF) % _WRAP - _HALF <= most

    def is_given_up(self, at: int, size: int) -> bool:
        """Some of so many bytes at this offset fill a hole that was given up."""
        return any(begin < at + size and at < end for begin, end in self.given_up)

    def disproves_end(self, at: int, size: int) -> bool:
        """So many bytes at this offset go on where the sender said it ends."""
        return self.finished_at is not None and at <= self.finished_at < at + size

    def finish(self, sequence: int) -> None:
        """The sender has no byte at or after `sequence`; what was delivered already cannot be taken back so."""
        if self.finished_at is None and self.expected is not None and self.position(sequence) >= self.offset:
            self.finished_at = self.position(sequence)

    def push(self, sequence: int, data: bytes, limit: int, *, strict: bool = True) -> list[Piece]:
        """What can be delivered now that `data` came, keeping at most `limit` out-of-order bytes.

        `strict`: a hole that had to be skipped for that is remembered in `given_up`. Else packets pass unseen: a hole may be theirs.
        """
        if sequence == self.expected and not self._pending:
            return [self._deliver(data)]
        self.begin(sequence)
        at = self.position(sequence)
        if at == self.offset and not self._pending:
            return [self._deliver(data)]
        end = at + len(data)
        if end <= self.offset:
            return []
        if at < self.offset:
            data, at = data[self.offset - at :], self.offset
        if not strict and self._holds(at, end):
            self._again += 1
            if self._again >= _SURELY:
                self.received = max(self.received, at)
        self._keep(at, data)
        pieces = self._drain()
        if self._pending and not strict:
            pieces += self._skip_to(self.received)
        if pieces:
            self._again = 0
        while self.held > limit or len(self._pending) > _MAX_SEGMENTS:
            if strict:
                self.given_up = (*self.given_up[1 - _MOST_GIVEN_UP :], (self.offset, self._begins[0]))
            pieces += self.skip()
        return pieces

    def acknowledged(self, sequence: int, *, unseen: bool = False) -> list[Piece]:
        """The receiver has everything before `sequence`: a hole before it will not be filled.

        `unseen`: nor will one that shows later only, with what comes behind it. Else such an acknowledgement is somebody's invention.
        """
        recent, at = self._recent, self.position(sequence)
        while recent and recent[0][0] + len(recent[0][1]) <= at:
            self.kept -= len(recent.popleft()[1])
        if unseen and at - self.offset <= _FAR:
            self.received = max(self.received, at)
        return self._skip_to(at)

    def _holds(self, at: int, end: int) -> bool:
        """All of [at, end) is held already."""
        index = bisect_right(self._begins, at) - 1
        return index >= 0 and end <= self._begins[index] + len(self._pending[index])

    def _skip_to(self, at: int) -> list[Piece]:
        """Give up on the holes before that offset."""
        pieces: list[Piece] = []
        while self._pending and self._begins[0] <= at:
            pieces += self.skip()
        return pieces

    def first_seen(self, at: int, data: bytes) -> bytes | None:
        """`data`, which lies at offset `at`, as its bytes were sent first; None where nothing shows a difference."""
        end, out = at + len(data), bytearray(data)
        for begin, known in self._near(at, end):
            low, high = max(at, begin), min(end, begin + len(known))
            if low < high:
                out[low - at : high - at] = known[low - begin : high - begin]
        return bytes(out) if out != data else None

    def _near(self, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        """What is kept that may reach into [at, end)."""
        if at < self.offset:
            recent = self._recent
            for index in range(max(bisect_right(recent, at, key=_begin_of) - 1, 0), len(recent)):
                if recent[index][0] >= end:
                    break
                yield recent[index]
        first = max(bisect_left(self._begins, at) - 1, 0)
        for index in range(first, bisect_left(self._begins, end)):
            yield self._begins[index], self._pending[index]

    def in_band(self, piece: Piece) -> list[Piece]:
        """A delivered piece without the urgent byte, which receivers hand to nobody or apart (RFC 6093)."""
        if self.urgent is None or self.urgent >= piece.offset + len(piece.data):
            return [piece]
        index, self.urgent = self.urgent - piece.offset, None
        if index < 0:
            return [piece]
        before = Piece(piece.offset, piece.missing, piece.data[:index])
        after = Piece(piece.offset + index + 1, 0, piece.data[index + 1 :])
        return [part for part in (before, after) if part.data]

    def trim(self, room: int) -> None:
        """Keeps no more than that for comparison, but for the newest segment."""
        recent = self._recent
        while len(recent) > 1 and (self.kept > room or len(recent) > _MAX_RECENT + self.kept // _DENSE):
            self.kept -= len(recent.popleft()[1])

    def forget(self) -> None:
        """Keeps nothing for comparison any more."""
        self._recent.clear()
        self.kept = 0

    def skip(self) -> list[Piece]:
        """Give up on the first hole and deliver what is behind it."""
        if not self._pending:
            return []
        missing = self._begins[0] - self.offset
        self._advance(missing)
        first, *others = self._drain()
        return [Piece(first.offset, missing, first.data), *others]

    def _deliver(self, data: bytes) -> Piece:
        piece = Piece(self.offset, 0, data)
        recent, size = self._recent, len(data)
        self.kept += size
        begin, before = recent[-1] if recent else (-1, b"")
        if begin + len(before) == self.offset and len(before) + size <= _JOINED:
            recent[-1] = (begin, before + data)
        else:
            recent.append((self.offset, data))
        if self.kept > self.room or len(recent) > _MAX_RECENT:
            self.trim(self.room)
        self._advance(size)
        return piece

    def _advance(self, count: int) -> None:
        assert self.expected is not None  # noqa: S101 - begun before anything is delivered
        self.offset += count
        self.expected = (self.expected + count) % _WRAP

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
