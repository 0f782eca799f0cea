"""Memory, processor and clock: enough of the first, the instructions that the matcher needs, time that goes on without power."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from omamori.firmware.factory.report import Line, judged
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths

LEAST_MEMORY: Final = 900 * 2**20
"""Bytes that the kernel has of 1 GiB."""
NEEDED: Final = {"flags": frozenset({"ssse3"}), "Features": frozenset({"asimd"})}
"""What the matcher cannot do without, by the line of the kernel's list of processors that names it: x86's, Arm's.

Hyperscan's developer reference, `hs_valid_platform`; Vectorscan's for 64-bit Arm is written for Advanced SIMD.
"""
_MATCH: Final = """
import hyperscan
found = []
database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
database.compile(expressions=[b"needle[0-9]+", b"h[ae]y"], ids=[0, 1], flags=[0, 0])
database.scan(b"hay needle42 hay", match_event_handler=lambda number, *_: found.append(number))
assert {0, 1} == set(found)
"""
_PATIENCE: Final = 60.0
_TICK: Final = 10.0
"""Seconds in which a clock has to go on by at least one."""


def memory(root: Path) -> Iterator[Line]:
    """What the kernel has of it."""
    try:
        lines = files.read_capped(root / "proc/meminfo").decode("ascii", "replace").splitlines()
        size = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:")) * 1024
    except (OSError, ValueError, IndexError, StopIteration):
        yield judged("memory", "the kernel does not say how much there is", good=False)
        return
    yield judged("memory", f"{size / 2**20:.0f} MiB", good=size >= LEAST_MEMORY)


def processor(root: Path, python: str = sys.executable) -> Iterator[Line]:
    """By what it says of itself, and by matching something in a process that may fall."""
    try:
        text = files.read_capped(root / "proc/cpuinfo").decode("utf-8", "replace")
    except OSError as error:
        yield judged("processor", error.strerror or str(error), good=False)
        return
    told = [
        (name.strip(), set(have.split()))
        for name, _, have in (line.partition(":") for line in text.splitlines())
    ]
    cores = [(NEEDED[name], have) for name, have in told if name in NEEDED]
    missing = {each for needed, have in cores for each in needed - have}
    detail = f"{len(cores)} cores" + (f", without {', '.join(sorted(missing))}" if missing else "")
    yield judged("processor", detail, good=bool(cores) and not missing)
    yield _matcher(python)


def _matcher(python: str) -> Line:
    try:
        done = subprocess.run([python, "-c", _MATCH], capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return judged("matcher", str(error), good=False)
    if done.returncode < 0:
        return judged("matcher", f"fell by {signal.Signals(-done.returncode).name}", good=False)
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return judged(
        "matcher", "finds what it should" if not done.returncode else " ".join(last), good=not done.returncode
    )


def clock(paths: Paths, *, tick: float = _TICK) -> Iterator[Line]:
    """The system's clock is not before the firmware was made; the one on the board goes on and says the same day or later."""
    try:
        made = paths.os_release.stat().st_mtime
    except OSError as error:
        yield judged("clock", f"the firmware's age is not known: {error.strerror}", good=False)
        return
    now = time.time()
    yield judged("clock", f"says {_spelled(now)}", good=now >= made)
    board = paths.root / "sys/class/rtc/rtc0/since_epoch"
    try:
        first = _seconds(board)
        going = _goes_on(board, first, time.monotonic() + tick)
    except (OSError, ValueError):
        yield judged("clock on the board", "there is none that can be read", good=False)
        return
    said = f"says {_spelled(first)}"
    if not going:
        yield judged("clock on the board", f"{said} and stands still", good=False)
    elif first < made:
        yield judged("clock on the board", f"{said}: set it, or its battery is empty", good=False)
    else:
        yield judged("clock on the board", said, good=True)


def _goes_on(board: Path, first: int, deadline: float) -> bool:
    while time.monotonic() < deadline:
        if _seconds(board) > first:
            return True
        time.sleep(0.2)
    return False


def _seconds(board: Path) -> int:
    return int(files.read_capped(board, cap=64))


def _spelled(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} seconds since 1970"
