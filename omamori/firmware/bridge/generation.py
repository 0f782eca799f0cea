"""The supervisor's handles on one generation: the nursery that holds a pack, and the workers it forked.

The handles know only facts (alive, ready, last beat, counters); what follows from them is the supervisor's.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from omamori.firmware.bridge.afresh import become
from omamori.firmware.bridge.nursery import NO_QUEUES, Load, Post, be_nursery
from omamori.firmware.bridge.report import Counters, Kind, Record, counters, receive
from omamori.firmware.host.rules import Queues

_LAST_WORD: Final = 0.3
"""Seconds that a nursery may take to say how a worker ended."""
_MOST: Final = 500
"""Records of one process taken at once."""


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


class Member:
    """A worker."""

    def __init__(self, index: int, pid: int, channel: int, process: int) -> None:
        """Owns both descriptors."""
        self.index, self.pid = index, pid
        self.channel = socket.socket(fileno=channel)
        self.channel.setblocking(False)
        self.process = process
        """A pidfd: readable once the process has ended."""
        self.ready = False
        self.failure = ""
        self.passing = ""
        """A flow that passes from now on, because the worker died of its packet."""
        self.exit_code: int | None = None
        """Unknown until its nursery says so."""
        self._ended = 0.0
        self.counters = Counters()
        self.started = self.last_sign = self.last_work = time.monotonic()

    def records(self) -> list[Record]:
        """What it said since the last call; READY, FAILED and BEAT are also taken note of."""
        said = list(_received(self.channel))
        for record in said:
            self._note(record)
        return said

    def exited(self) -> bool:
        return bool(select.select([self.process], [], [], 0)[0])

    def told(self) -> bool:
        """Whether it ended and its nursery has said how, or has had the time to."""
        if not self.exited():
            return False
        self._ended = self._ended or time.monotonic()
        return self.exit_code is not None or time.monotonic() - self._ended > _LAST_WORD

    @property
    def no_queues(self) -> bool:
        """It ended because the kernel did not give it its queues, which is not the pack's fault."""
        return self.exit_code == NO_QUEUES or bool(self.failure)

    @property
    def exit_text(self) -> str:
        return _exit_text(self.exit_code)

    def end(self) -> None:
        """Ask it to empty its queues and end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        self.channel.close()
        os.close(self.process)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, number)

    def _note(self, record: Record) -> None:
        self.last_sign = time.monotonic()
        match record.kind:
            case Kind.READY:
                self.ready = True
            case Kind.FAILED:
                self.failure = record.content.decode("utf-8", "replace")
            case Kind.BEAT:
                before, self.counters = self.counters.packets, counters(record.content)
                if self.counters.packets != before:
                    self.last_work = self.last_sign
            case _:
                pass


class Generation:
    """One pack in memory and the workers that use it."""

    def __init__(
        self,
        pack: Pack,
        post: Post,
        load: Load,
        inherited: Sequence[socket.socket | int] = (),
        *,
        compiled: bool = False,
        afresh: Sequence[str] = (),
    ) -> None:
        """Fork the nursery; it closes the `inherited` descriptors of its siblings. Raises OSError.

        `compiled` says whether it has compiled modules; `afresh` is the program that it goes on as, to have none.
        """
        self.pack, self.post, self.compiled = pack, post, compiled
        self.broke = ""
        """How one of its processes was ended by itself; empty while none was."""
        self.version = ""
        """Empty until the pack is loaded."""
        self.failure = ""
        """Why the pack could not be used; empty while that is not known."""
        self.members: dict[int, Member] = {}
        """By index. The supervisor takes out those that ended."""
        self.awaited: set[int] = set()
        """Indexes of workers that were ordered and are not here yet."""
        self.ending = False
        self.started = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel = ours
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            for unwanted in inherited:
                os.close(unwanted if isinstance(unwanted, int) else unwanted.detach())
            _begin(pack, post, load, theirs, afresh)
        theirs.close()
        ours.setblocking(False)
        self._exit: int | None = None

    @property
    def queues(self) -> Queues:
        return self.post.queues

    @property
    def loaded(self) -> bool:
        return bool(self.version)

    @property
    def ready(self) -> bool:
        """Every worker is there and has its queues."""
        return len(self.members) == self.queues.count and all(one.ready for one in self.members.values())

    @property
    def exit_text(self) -> str:
        return _exit_text(self._exit)

    def descriptors(self) -> list[socket.socket | int]:
        """All that is open, to be watched or closed."""
        mine = [self.channel] if self.channel.fileno() >= 0 else []
        return [*mine, *(part for one in self.members.values() for part in (one.channel, one.process))]

    def hear(self) -> None:
        """What the nursery said."""
        for record in _received(self.channel):
            match record.kind:
                case Kind.READY:
                    self.version = record.content.decode()
                case Kind.FAILED:
                    self.failure = record.content.decode("utf-8", "replace")
                case Kind.HATCHED:
                    self._adopt(record)
                case Kind.GONE:
                    self._gone(*json.loads(record.content))
                case _:
                    pass

    def hatch(self, index: int, first_number: int) -> None:
        """Order a worker; it comes into `members` later, or never if the nursery is gone."""
        self.awaited.add(index)
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps([index, first_number]).encode())

    def lost(self, member: Member) -> None:
        """A worker that ended before all were ready: why the pack could not be used."""
        self.failure = self.failure or member.failure or f"a worker ended with {member.exit_text}"
        if _died(member.exit_code):
            self.broke = self.failure

    def barren(self) -> bool:
        """Whether the nursery is gone; it is reaped."""
        if self._exit is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                return False
            self.hear()
            self._exit = os.waitstatus_to_exitcode(status)
            if _died(self._exit) and not self.ending:
                self.broke = f"loading ended with {self.exit_text}"
            self.channel.close()
        return True

    def settle(self) -> None:
        """No more workers will be wanted; those that are here go on without their nursery."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Ask the workers to empty their queues and end; the nursery goes first."""
        self.ending = True
        self._signal(signal.SIGTERM)
        for member in self.members.values():
            member.end()

    def kill(self) -> None:
        self.ending = True
        self._signal(signal.SIGKILL)
        for member in self.members.values():
            member.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._exit is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _adopt(self, record: Record) -> None:
        index, pid = json.loads(record.content)
        self.awaited.discard(index)
        member = self.members[index] = Member(index, pid, *record.descriptors)
        if self.ending:
            member.kill()

    def _gone(self, pid: int, code: int, passing: str) -> None:
        for member in self.members.values():
            if member.pid == pid:
                member.exit_code, member.passing = code, passing


def _begin(pack: Pack, post: Post, load: Load, channel: socket.socket, afresh: Sequence[str]) -> NoReturn:
    """The child's whole life."""
    if afresh:
        with contextlib.suppress(OSError):
            become(afresh, pack.path, post, channel)
        os._exit(1)
    be_nursery(pack.path, post, load, channel)


def _received(channel: socket.socket) -> Iterator[Record]:
    """Until nothing waits or the other side is gone."""
    if channel.fileno() >= 0:
        with contextlib.suppress(EOFError):
            yield from receive(channel, most=_MOST)


_ORDERS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def _exit_text(code: int | None) -> str:
    if code is None:
        return "an unknown exit code"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _died(code: int | None) -> bool:
    """Of a signal that nobody sends to end it: at a stop or restart systemd tells every process of ours."""
    return code is not None and code < 0 and -code not in _ORDERS
