"""Hostile bytes for one target after the other: none may raise what it does not promise, hang, or take memory without bound.

Each target runs in a process of its own under a memory limit. The input that is being tried lies in shared memory, so the one
that killed or held up the process is known, and is kept in a file.
"""

import mmap
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.chaos.mutation import Mutation

_ROOM = 128 << 10
_TO_BUILD = 4
"""Building a target may take so many times as long as an input."""
_MEMORY = 1 << 30
"""Bytes that a target may use beyond what it had at its start."""


@dataclass(frozen=True, slots=True)
class Target:
    """`make` builds it inside its process and returns what takes an input; `allowed` may come out of it."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    make: Callable[[], Callable[[bytes], object]]
    allowed: tuple[type[BaseException], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """`problem` is empty where all went well."""

    target: str
    inputs: int
    seconds: float
    grown: int
    """Bytes of memory more than at the beginning."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Effort:
    seconds: float
    least: int
    hang: float


def run(
    target: Target, *, seconds: float, chance: int, keep: Path, hang: float = 20, least: int = 1
) -> Outcome:
    """Try inputs for so long, and `least` of them however slow the machine is.

    An input that did harm is written into `keep`; one may take `hang` seconds, for the machine may be busy.
    """
    with tempfile.TemporaryDirectory(prefix="omamori-chaos-") as scratch:
        return _run(target, _Effort(seconds, least, hang), chance, keep, scratch)


def _run(target: Target, effort: _Effort, chance: int, keep: Path, scratch: str) -> Outcome:
    """`scratch` is where the target's own files go, for it may be killed before it removes them."""
    shared = mmap.mmap(-1, _ROOM + 16)
    begun = time.monotonic()
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        tempfile.tempdir = scratch
        _be_victim(target, effort, chance, shared, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        message, ended = _wait(said.fileno(), child, shared, effort)
    count, size, grown = (
        int.from_bytes(shared[at : at + width], "big") for at, width in ((0, 6), (6, 4), (10, 6))
    )
    problem = message.decode("utf-8", "replace") or ended
    if problem:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{target.name}.input").write_bytes(shared[16 : 16 + size])
        problem += f" (input kept in {keep / target.name}.input)"
    return Outcome(target.name, count, round(time.monotonic() - begun, 1), grown, problem)


def _wait(said: int, child: int, shared: mmap.mmap, effort: _Effort) -> tuple[bytes, str]:
    """What it said at its end, and how it ended if not well; one that stays with an input for too long is killed."""
    message, count, since, began = b"", b"", time.monotonic(), time.monotonic()
    patience = effort.seconds + 60 + effort.hang
    while True:
        now = time.monotonic()
        if shared[:6] != count:
            count, since = shared[:6], now
        tried = int.from_bytes(count, "big")
        hangs = now - since > effort.hang * (1 if tried else _TO_BUILD) or (
            now - began > patience and tried >= effort.least
        )
        if hangs:
            os.kill(child, signal.SIGKILL)
        if select.select([said], [], [], 0.2)[0]:
            part = os.read(said, 65536)
            message += part
            if not part:
                break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if hangs:
        return b"", f"it took more than {effort.hang:g} s for one input"
    return message, "" if code == 0 else f"the process ended with {code}"


def _be_victim(target: Target, effort: _Effort, chance: int, shared: mmap.mmap, writer: int) -> None:
    code = 1
    try:
        code = _try(target, effort, chance, shared, writer)
    except BaseException:  # noqa: BLE001 - the process' last words, whatever it was
        os.write(writer, traceback.format_exc()[-4000:].encode())
    finally:
        os._exit(code)


def _try(target: Target, effort: _Effort, chance: int, shared: mmap.mmap, writer: int) -> int:
    take, source = target.make(), Mutation(list(target.seeds()), chance)
    before = _resident()
    resource.setrlimit(resource.RLIMIT_AS, (_virtual() + _MEMORY, resource.RLIM_INFINITY))
    until, count = time.monotonic() + effort.seconds, 0
    while count < effort.least or time.monotonic() < until:
        data = source.next()
        shared[16 : 16 + len(data)] = data
        count += 1
        shared[:10] = count.to_bytes(6, "big") + len(data).to_bytes(4, "big")
        try:
            take(data)
        except target.allowed:
            continue
        except Exception:  # noqa: BLE001 - that is what is looked for
            os.write(writer, traceback.format_exc()[-4000:].encode())
            return 0
    shared[10:16] = max(0, _resident() - before).to_bytes(6, "big")
    return 0


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
