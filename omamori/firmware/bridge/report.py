"""What a worker tells the supervisor: one record a datagram, over a socket pair that never blocks the worker.

A record is one letter and its content. What the socket does not take waits in a bounded queue; beyond that it is counted
as lost. A worker whose socket is closed knows that its supervisor is gone.
"""

import json
import socket
from collections import deque
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Final

_RECORD_CAP: Final = 128 * 1024
_WAITING: Final = 2_000


class Kind(Enum):
    """What a record is."""

    READY = b"R"
    """The pack is loaded and the queues are bound; content is the pack's version."""
    FAILED = b"F"
    """The pack cannot be used; content says why."""
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
    lost: int = 0
    """Records that the supervisor did not take in time."""


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


def receive(channel: socket.socket) -> tuple[Kind, bytes] | None:
    """The supervisor's end: the next record, None when nothing waits. Raises EOFError when the worker is gone."""
    try:
        record = channel.recv(_RECORD_CAP + 1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError as error:
        raise EOFError(str(error)) from error
    if not record:
        raise EOFError("the worker closed its channel")
    return Kind(record[:1]), record[1:]


def counters(content: bytes) -> Counters:
    """Out of a BEAT record."""
    return Counters(**json.loads(content))
