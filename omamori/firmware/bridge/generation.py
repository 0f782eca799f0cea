"""One generation of the worker: a forked process that loads one pack, and the supervisor's handle on it.

The child loads before it binds its queues, so a pack that cannot be loaded never touches traffic, and the parent's memory
stays small. The handle knows only facts (alive, ready, last beat, counters); what follows from them is the supervisor's.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from omamori.firmware.bridge.report import Counters, Kind, Reporter, counters, receive
from omamori.firmware.bridge.worker import Inspector, Worker
from omamori.firmware.host.firewall import QueuePair
from omamori.firmware.host.nfqueue import PacketQueue, QueueError

_BAD_PACK: Final = 3
_NO_QUEUES: Final = 4


@dataclass(frozen=True, slots=True)
class Pack:
    """A signature pack on disk, as it is now: another file under the same name is another pack."""

    path: Path
    inode: int
    modified: int
    size: int

    @classmethod
    def at(cls, path: Path) -> "Pack | None":
        """The file that `path` leads to; None where there is none."""
        try:
            target = path.resolve(strict=True)
            facts = target.stat()
        except (OSError, RuntimeError):
            return None
        return cls(target, facts.st_ino, facts.st_mtime_ns, facts.st_size)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pack made ready in the worker."""

    inspector: Inspector
    version: str


Load = Callable[[Path, int], Loaded]
"""From a pack's path and the first number of its detections; may raise anything for a pack that is no use."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a child is to do."""

    pack: Pack
    pair: QueuePair
    inside_port: int
    first_number: int


class Generation:
    """The supervisor's handle on one child."""

    def __init__(self, assignment: Assignment, load: Load, inherited: Sequence[socket.socket] = ()) -> None:
        """Fork; the child closes the `inherited` sockets of its siblings. Raises OSError."""
        self.assignment = assignment
        self.version = ""
        self.ready = False
        self.failure = ""
        """Why the pack could not be used; empty while that is not known."""
        self.counters = Counters()
        self.started = self.last_sign = self.last_work = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = ours
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            for unwanted in (ours, *inherited):
                unwanted.close()
            _be_worker(assignment, load, theirs)
        theirs.close()
        self._exit: int | None = None

    def records(self, *, most: int = 500) -> list[tuple[Kind, bytes]]:
        """What the worker said since the last call; READY, FAILED and BEAT are also taken note of."""
        said: list[tuple[Kind, bytes]] = []
        with contextlib.suppress(EOFError):
            while len(said) < most and (record := receive(self.channel)):
                self._note(*record)
                said.append(record)
        return said

    def exited(self) -> bool:
        """Whether the process is gone; it is reaped."""
        if self._exit is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._exit = os.waitstatus_to_exitcode(status) if pid else None
        return self._exit is not None

    @property
    def no_queues(self) -> bool:
        """It ended because the kernel did not give it its queues, which is not the pack's fault."""
        return self._exit == _NO_QUEUES

    @property
    def exit_text(self) -> str:
        code = self._exit or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Ask it to empty its queues and end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._exit is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _note(self, kind: Kind, content: bytes) -> None:
        self.last_sign = time.monotonic()
        if kind is Kind.READY:
            self.ready, self.version = True, content.decode()
        elif kind is Kind.FAILED:
            self.failure = content.decode("utf-8", "replace")
        elif kind is Kind.BEAT:
            before, self.counters = self.counters.packets, counters(content)
            if self.counters.packets != before:
                self.last_work = self.last_sign


def _be_worker(assignment: Assignment, load: Load, channel: socket.socket) -> NoReturn:
    """The child's whole life. It leaves by _exit, so that nothing of the parent is run or flushed twice."""
    code = 1
    try:
        _restore_signals()
        code = _work(assignment, load, Reporter(channel))
    except BaseException:  # noqa: BLE001 - the last line of defence prints and leaves
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _work(assignment: Assignment, load: Load, reporter: Reporter) -> int:
    pair = assignment.pair
    try:
        loaded = load(assignment.pack.path, assignment.first_number)
    except Exception as error:  # noqa: BLE001 - a pack from outside may break anything
        reporter.send(Kind.FAILED, f"{type(error).__name__}: {error}"[:500].encode())
        return _BAD_PACK
    try:
        scan, suspect = PacketQueue(pair.scan, gso=True), PacketQueue(pair.suspect, gso=False)
    except QueueError as error:
        reporter.send(Kind.FAILED, str(error).encode())
        return _NO_QUEUES
    gc.collect()
    gc.freeze()
    worker = Worker(loaded.inspector, scan, suspect, reporter, inside_port=assignment.inside_port)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    reporter.send(Kind.READY, loaded.version.encode())
    worker.run()
    return 0


def _restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
