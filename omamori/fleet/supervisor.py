"""Keeps the embedded fleet's processes running, and ends every one of them when told to.

Children run in sessions of their own, so Ctrl-C reaches only the supervisor, which then stops them in reverse order;
a child that dies is started again with growing pauses. Errands are run now and then and end by themselves. Should the supervisor
itself be killed, the kernel ends them all.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Self

from omamori.fleet.surfaces.addresses import Address

_PR_SET_PDEATHSIG = 1
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY = 60.0
"""Seconds after which a child counts as running well again."""
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Part:
    """One command of ours to keep running, and the port that says it is ready."""

    name: str
    ready: Address | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """One command of ours to run again and again, never twice at a time. Seconds."""

    name: str
    every: float
    first: float = 120.0
    """After the start: the parts come first."""
    longest: float = 1800.0


@dataclass(slots=True)
class _Running:
    errand: Errand
    due: float
    process: subprocess.Popen[bytes] | None = None
    until: float = 0.0


@dataclass(slots=True)
class _Child:
    part: Part
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    again_at: float = field(default=0.0)


class Supervisor:
    """`with Supervisor(...) as s: s.watch(stop)`; leaving it stops everything."""

    def __init__(
        self, parts: Sequence[Part], environment: Mapping[str, str], *, errands: Sequence[Errand] = ()
    ) -> None:
        self._parts, self._environment = parts, dict(environment)
        self._children: list[_Child] = []
        self._errands = [_Running(errand, time.monotonic() + errand.first) for errand in errands]

    def __enter__(self) -> Self:
        try:
            for part in self._parts:
                self._children.append(_Child(part, self._start(part), time.monotonic()))
                self._await(self._children[-1])
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def watch(self, stop: Event) -> None:
        """Until `stop` is set: start again what died, and run the errands that are due."""
        while not stop.wait(0.25):
            for child in self._children:
                self._mend(child, time.monotonic())
            for running in self._errands:
                self._run(running, time.monotonic())

    def stop(self) -> None:
        """End every child, the last started first; kills what does not end by itself. Twice is harmless."""
        children, self._children = self._children, []
        errands = [running.process for running in self._errands if running.process]
        for process in (*errands, *(child.process for child in reversed(children))):
            _end(process)

    def _mend(self, child: _Child, now: float) -> None:
        code = child.process.poll()
        if code is None:
            child.failures = 0 if now - child.started > _STEADY else child.failures
        elif not child.again_at:
            pause = _PAUSES[min(child.failures, len(_PAUSES) - 1)]
            child.failures, child.again_at = child.failures + 1, now + pause
            print(
                f"fleet: {child.part.name} ended with code {code}; again in {pause:g} s",
                file=sys.stderr,
                flush=True,
            )
        elif now >= child.again_at:
            child.process, child.started, child.again_at = self._start(child.part), now, 0.0

    def _run(self, running: _Running, now: float) -> None:
        if running.process is None:
            if now >= running.due:
                running.process = self._start(running.errand, told=False)
                running.until, running.due = now + running.errand.longest, now + running.errand.every
            return
        if running.process.poll() is None and now >= running.until:
            _end(running.process)
        if (code := running.process.poll()) is not None:
            running.process = None
            if code:
                print(f"fleet: {running.errand.name} ended with code {code}", file=sys.stderr, flush=True)

    def _start(self, part: Part | Errand, *, told: bool = True) -> subprocess.Popen[bytes]:
        """`told`: what it prints is shown; complaints are in any case."""
        return subprocess.Popen(
            [sys.executable, "-m", "omamori.fleet", part.name],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=None if told else subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - the supervisor has one thread
        )

    def _await(self, child: _Child) -> None:
        deadline = time.monotonic() + 60
        while child.part.ready and not answers(child.part.ready):
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise ChildProcessError(f"{child.part.name} did not start: see its messages above")
            time.sleep(0.05)


@contextlib.contextmanager
def told_to_stop() -> Iterator[Event]:
    """An event that SIGTERM and Ctrl-C set instead of ending the process."""
    stop = Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def answers(address: Address) -> bool:
    """Whether something listens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - not dialled
    try:
        with socket.create_connection((host, address.port), timeout=1):
            return True
    except OSError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to, and kill it where it does not."""
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _die_with(parent: int) -> None:
    """In the child: end with the supervisor, also where it was killed before the kernel was asked to tell."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
