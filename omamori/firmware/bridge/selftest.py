"""Proof that inspection works now: a packet of our own through each worker's queue, overwritten there, and back.

The packet goes from this process to itself over the loopback interface. A rule of the kernel takes it to one worker's queue by
its mark; the worker has its engine inspect it, overwrites its payload and lets it go on. What comes back shows that the rule,
the queue, the engine, the overwriting and the checksums are right (the kernel drops a datagram whose checksum is wrong). It
takes nothing from traffic, and never waits. How long it took, from the sender to the kernel's own stamp on arrival, is what
inspection adds to a packet's way.
"""

import contextlib
import os
import socket
import struct
import time
from typing import Final

from omamori.firmware.host.rules import PROBE

_SO_MARK: Final = 36
_PATIENCE: Final = 1.0
_TRIES: Final = 3
_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@ll")
_SLOW: Final = 0.05
"""Seconds; a slower answer may be one moment's, so the next test comes soon."""
_SOON: Final = 5.0
QUESTION: Final = b"omamori self-test: overwrite this "
ANSWER: Final = b"omamori self-test: overwritten    "
NOT_RUN: Final = "not run"
PASSED: Final = "passed"


class SelfTest:
    """`begin`, then `collect` in every round until `result` is settled."""

    def __init__(self, *, every: float = 60.0) -> None:
        self.result = NOT_RUN
        self.latency: float | None = None
        """Seconds, of the slowest worker in the last test that passed."""
        self._every = every
        self._next = float("inf")
        self._waiting: dict[bytes, str] = {}
        self._sent: dict[bytes, int] = {}
        self._took: list[float] = []
        self._wrong: list[str] = []
        self._workers = self._tries = 0
        self._until = 0.0
        self._socket = self._open()

    def begin(self, workers: int) -> None:
        """Send a probe to each worker."""
        self._workers, self._tries = workers, _TRIES
        self._send()

    def stop(self) -> None:
        """Nobody inspects."""
        self.result, self._next, self._waiting, self.latency = NOT_RUN, float("inf"), {}, None

    def collect(self) -> bool:
        """True when the result changed."""
        before, now = self.result, time.monotonic()
        self._receive()
        if self._waiting and now > self._until:
            self._tries -= 1
            self._send() if self._tries > 0 else self._settle()
        elif not self._waiting and now > self._next:
            self.begin(self._workers)
        return self.result != before

    def close(self) -> None:
        if self._socket:
            self._socket.close()

    def _open(self) -> socket.socket | None:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            made.bind(("127.0.0.1", 0))
            made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        except OSError:
            made.close()
            return None
        return made

    def _send(self) -> None:
        self._waiting, self._sent, self._took, self._wrong = {}, {}, [], []
        self._until, self._next = time.monotonic() + _PATIENCE, time.monotonic() + self._every
        for index in range(self._workers if self._socket else 0):
            nonce = os.urandom(8)
            self._waiting[nonce] = f"worker {index + 1}"
            self._sent[nonce] = time.time_ns()
            self._put(PROBE + index, QUESTION + nonce)
        if not self._socket:
            self.result = "failed: no loopback interface"

    def _put(self, mark: int, payload: bytes) -> None:
        assert self._socket is not None  # noqa: S101 - the caller looked
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
            self._socket.sendto(payload, self._socket.getsockname())

    def _receive(self) -> None:
        while self._socket and self._waiting:
            try:
                came, notes, _, _ = self._socket.recvmsg(512, 128)
            except (BlockingIOError, InterruptedError):
                return
            nonce = came[len(QUESTION) :]
            who = self._waiting.pop(nonce, None)
            if who:
                self._note_time(nonce, notes)
            if who and not came.startswith(ANSWER):
                self._wrong.append(f"{who} did not take its packet")
            if not self._waiting:
                self._settle()

    def _note_time(self, nonce: bytes, notes: list[tuple[int, int, bytes]]) -> None:
        """A clock that was set meanwhile gives no time."""
        for level, kind, stamp in notes:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(stamp) >= _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack_from(stamp)
                took = (seconds * 10**9 + nanoseconds - self._sent[nonce]) / 1e9
                if 0 <= took <= _PATIENCE * _TRIES:
                    self._took.append(took)

    def _settle(self) -> None:
        missing = [f"no answer from {who}" for who in self._waiting.values()]
        self._waiting = {}
        problems = sorted([*self._wrong, *missing])
        self.result = f"failed: {', '.join(problems)}" if problems else PASSED
        self.latency = max(self._took) if self._took and not problems else None
        if problems or (self.latency or 0.0) > _SLOW:
            self._next = min(self._next, time.monotonic() + _SOON)
