"""What workers and their nursery tell the supervisor: one record a datagram, over a socket pair that never blocks the sender.

A record is one letter and its content. What the socket does not take waits in a bounded queue; beyond that it is counted
as lost. A process whose socket is closed knows that its supervisor is gone.
"""

import json
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Final

_RECORD_CAP: Final = 128 * 1024
_WAITING: Final = 2_000
_REASONS: Final = 64
_NAMED: Final = ("drops", "uninspected", "overlooked", "unfollowed")
"""Counters that have one number for each name."""


class Kind(Enum):
    """What a record is."""

    READY = b"R"
    """Of a nursery: the pack is loaded, content is its version. Of a worker: its queues are bound."""
    FAILED = b"F"
    """The pack cannot be used, or the queues cannot be had; content says why."""
    HATCHED = b"H"
    """Of a nursery, with two descriptors (the worker's channel, its pidfd): content is `[index, pid]` as JSON."""
    GONE = b"G"
    """Of a nursery: a worker ended; content is `[pid, exit code, flow]` as JSON: negative for a signal; a flow it died of."""
    BEAT = b"B"
    """Alive; content is `Counters` as JSON."""
    DETECTION = b"D"
    """Content is a message body, without its id."""
    LOG = b"L"
    """Content is a sentence for the operator."""


@dataclass(slots=True)
class Counters:
    """What a worker did since it started."""

    packets: int = 0
    dropped: int = 0
    """Packets the worker itself refused; those of a blocked flow the kernel drops are not among them."""
    blocked: int = 0
    """Flows blocked."""
    neutralised: int = 0
    """Packets overwritten."""
    errors: int = 0
    """Packets that passed because the engine failed on them."""
    missed: int = 0
    """Packets the kernel let through because the worker did not take them fast enough."""
    shed: int = 0
    """Packets that passed uninspected because they had waited too long already."""
    replies: int = 0
    """Packets of our own that told somebody about a block."""
    lost: int = 0
    """Records that the supervisor did not take in time."""
    drops: dict[str, int] = field(default_factory=dict)
    """Why packets were dropped: guard (or `blocked flow`) and how many."""
    uninspected: dict[str, int] = field(default_factory=dict)
    """Of which kind the missed and shed packets were."""
    exempt: int = 0
    """Packets that passed because one of their flow had ended a worker."""
    cut: int = 0
    """Packets of which the kernel copied the beginning only."""
    overlooked: Mapping[str, int] = field(default_factory=dict)
    """Packets that the engine did not inspect in full, by `protocol/reasons.py`."""
    unfollowed: Mapping[str, int] = field(default_factory=dict)
    """Flows that the engine no longer followed, likewise."""

    def drop(self, why: str) -> None:
        """Counts one."""
        self.dropped += 1
        name = why if why in self.drops or len(self.drops) < _REASONS else "other"
        self.drops[name] = self.drops.get(name, 0) + 1

    def __add__(self, other: "Counters") -> "Counters":
        numbers = (part.name for part in fields(Counters) if part.name not in _NAMED)
        total = Counters(**{name: getattr(self, name) + getattr(other, name) for name in numbers})
        total.drops = _sum(self.drops, other.drops)
        total.uninspected = _sum(self.uninspected, other.uninspected)
        total.overlooked = _sum(self.overlooked, other.overlooked)
        total.unfollowed = _sum(self.unfollowed, other.unfollowed)
        return total


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*one, *other)}


class Reporter:
    """The worker's end. Nothing here raises or blocks."""

    def __init__(self, channel: socket.socket) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._waiting: deque[bytes] = deque()
        self.lost = 0
        self.closed = False

    def fileno(self) -> int:
        return self._channel.fileno()

    def send(self, kind: Kind, content: bytes = b"") -> None:
        """Tell the supervisor, in order; later if it is busy."""
        if len(content) >= _RECORD_CAP or len(self._waiting) >= _WAITING:
            self.lost += 1
            return
        self._waiting.append(kind.value + content)
        self.flush()

    def beat(self, counters: Counters) -> None:
        counters.lost = self.lost
        self.send(Kind.BEAT, json.dumps(asdict(counters)).encode())

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        while self._waiting and not self.closed:
            try:
                self._channel.send(self._waiting[0])
            except BlockingIOError:
                return
            except OSError:
                self.closed = True
                return
            self._waiting.popleft()


@dataclass(frozen=True, slots=True)
class Record:
    """One record as received. Whoever takes it owns the descriptors."""

    kind: Kind
    content: bytes
    descriptors: tuple[int, ...] = ()


def receive(channel: socket.socket, *, most: int) -> Iterator[Record]:
    """The supervisor's end of a channel that does not block: what waits now. Raises EOFError when the other side is gone."""
    for _ in range(most):
        try:
            raw, descriptors, _, _ = socket.recv_fds(channel, _RECORD_CAP + 1, 2)
        except BlockingIOError:
            return
        except OSError as error:
            raise EOFError(str(error)) from error
        if not raw:
            raise EOFError("the other side closed its channel")
        yield Record(Kind(raw[:1]), raw[1:], tuple(descriptors))


def counters(content: bytes) -> Counters:
    """Out of a BEAT record."""
    return Counters(**json.loads(content))
