"""The process that loads one pack and forks the workers that use it, so that they share its memory.

It loads before any queue is bound: a pack that cannot be loaded never touches traffic. While others inspect, it loads at a low
priority, and it gives back what loading took and no longer needs before it forks. A worker that dies is forked anew
within milliseconds, because the pack is there already. It ends when its supervisor is gone or tells it to; its workers are
the supervisor's then. It decides nothing: which worker is wanted comes as an order.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from omamori.firmware.bridge.lane import opened
from omamori.firmware.bridge.last_packet import Exempt, LastPacket
from omamori.firmware.bridge.openings import Openings
from omamori.firmware.bridge.replies import Replies
from omamori.firmware.bridge.report import Kind, Reporter
from omamori.firmware.bridge.room import Room
from omamori.firmware.bridge.worker import STALE, Caution, Inspector, Worker
from omamori.firmware.host.handshakes import LENGTH
from omamori.firmware.host.nflog import PacketLog
from omamori.firmware.host.rules import Queues
from omamori.firmware.host.wire import Wire

BAD_PACK: Final = 3
NO_QUEUES: Final = 4
_ORDER_CAP: Final = 4096
_LOW_PRIORITY: Final = 10
"""Added to the nice value: about a tenth of a processor where others want all of it."""
_COLLECT: Final = (20_000, 20, 50)
"""Workers look for circles of objects this rarely: there are hardly any, and a look at thousands of flows holds a packet up."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pack made ready."""

    version: str
    inspector: Callable[[int, Openings], Inspector]
    """Called in each worker, with the first number of its detections."""


Load = Callable[[Path], Loaded]
"""From a pack's path; may raise anything for a pack that is no use."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where the workers of one generation stand."""

    queues: Queues
    inside_port: int
    outside_port: int
    memory: int
    """Bytes that each may need beyond the shared pack."""
    slowness: float = 1.0
    gently: bool = False
    """Others inspect meanwhile: load with what processor time they leave."""


def be_nursery(path: Path, post: Post, load: Load, channel: socket.socket) -> NoReturn:
    """The child's whole life. It leaves by _exit, so that nothing of the parent is run or flushed twice."""
    code = 1
    try:
        _restore_signals()
        code = _Nursery(post, channel).run(path, load)
    except BaseException:  # noqa: BLE001 - the last line of defence prints and leaves
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _in_background(load: Load, path: Path) -> Loaded:
    """A priority once lowered can be raised by nobody but root, so a thread loads whose priority is its own (Linux), and the
    workers are forked by another. Raises what `load` raises.
    """
    done: list[Loaded | BaseException] = []

    def work() -> None:
        try:
            os.nice(_LOW_PRIORITY)
            done.append(load(path))
        except BaseException as error:  # noqa: BLE001 - raised below
            done.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(done[0], BaseException):
        raise done[0]
    return done[0]


def _give_back() -> None:
    """The C library keeps freed memory for later; nobody here needs it later. Elsewhere than in glibc there is no such call."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        importlib.import_module("ctypes").CDLL(None).malloc_trim(0)


class _Nursery:
    def __init__(self, post: Post, channel: socket.socket) -> None:
        self._post, self._channel = post, channel
        self._workers: dict[int, tuple[int, LastPacket]] = {}
        """By pidfd: process id, and what it is busy with."""
        self._exempt = Exempt()

    def run(self, path: Path, load: Load) -> int:
        try:
            loaded = _in_background(load, path) if self._post.gently else load(path)
        except Exception as error:  # noqa: BLE001 - a pack from outside may break anything
            self._say(Kind.FAILED, f"{type(error).__name__}: {error}"[:500].encode())
            return BAD_PACK
        gc.collect()
        _give_back()
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        self._say(Kind.READY, loaded.version.encode())
        while self._round(loaded):
            pass
        return 0

    def _round(self, loaded: Loaded) -> bool:
        """False when nobody gives orders any more."""
        poll = select.poll()
        for descriptor in (self._channel.fileno(), *self._workers):
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        for descriptor in ready & set(self._workers):
            self._reap(descriptor)
        if self._channel.fileno() not in ready:
            return True
        order = self._channel.recv(_ORDER_CAP)
        if order:
            self._hatch(loaded, *json.loads(order))
        return bool(order)

    def _hatch(self, loaded: Loaded, index: int, first_number: int) -> None:
        theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        last = LastPacket()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._channel.close()
            theirs.close()
            for descriptor in self._workers:
                os.close(descriptor)
            task = _Task(index, first_number, last, self._exempt)
            _be_worker(self._post, loaded, task, ours)
        descriptor = os.pidfd_open(pid)
        self._workers[descriptor] = pid, last
        ours.close()
        with theirs:
            self._say(Kind.HATCHED, json.dumps([index, pid]).encode(), [theirs.fileno(), descriptor])

    def _reap(self, descriptor: int) -> None:
        pid, last = self._workers.pop(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        passing = self._exempt.add(last.read()) if code < 0 else ""
        last.close()
        self._say(Kind.GONE, json.dumps([pid, code, passing]).encode())

    def _say(self, kind: Kind, content: bytes, descriptors: Sequence[int] = ()) -> None:
        with contextlib.suppress(OSError):
            socket.send_fds(self._channel, [kind.value + content], descriptors)


@dataclass(frozen=True, slots=True)
class _Task:
    """What one worker is to do."""

    index: int
    first_number: int
    last: LastPacket
    exempt: Exempt


def _be_worker(post: Post, loaded: Loaded, task: _Task, channel: socket.socket) -> NoReturn:
    """As `be_nursery`."""
    code = 1
    try:
        code = _work(post, loaded, task, Reporter(channel))
    except BaseException:  # noqa: BLE001 - the last line of defence prints and leaves
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _work(post: Post, loaded: Loaded, task: _Task, reporter: Reporter) -> int:
    inspector = loaded.inspector(task.first_number, _openings(post, task.index, reporter))
    try:
        lanes = opened(post.queues.of_worker(task.index))
    except OSError as error:
        reporter.send(Kind.FAILED, str(error).encode())
        return NO_QUEUES
    replies = Replies(_wire(post, reporter))
    caution = Caution(task.last, task.exempt, Room(post.memory), STALE * post.slowness)
    ports = {"inside_port": post.inside_port, "outside_port": post.outside_port}
    worker = Worker(inspector, lanes, reporter, replies, caution, **ports)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    reporter.send(Kind.READY)
    worker.run()
    return 0


def _openings(post: Post, index: int, reporter: Reporter) -> Openings:
    """They know nothing where the kernel has no log groups: connections are then picked up at the first data that is seen."""
    try:
        return Openings(PacketLog(post.queues.openings(index), longest=LENGTH, at_once=True))
    except OSError as error:
        reporter.send(Kind.LOG, f"where connections begin is not known: {error}".encode())
        return Openings(None)


def _wire(post: Post, reporter: Reporter) -> Wire | None:
    """None where this process may not put packets on the wire; blocked flows then end in silence for their senders."""
    try:
        return Wire((post.inside_port, post.outside_port))
    except OSError as error:
        reporter.send(Kind.LOG, f"senders of blocked traffic get no answer: {error}".encode())
        return None


def _restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
