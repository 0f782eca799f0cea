"""Whether a worker that gives no sign of life hangs, or merely got no processor time.

A hanging one is worth killing: a new one is there in milliseconds. A starved one is not: the next would starve as well. The
kernel tells them apart: a process that is ready to run, but whose processor time does not move, is starved.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SECOND_LOOK: Final = 0.1
_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Look:
    """At a process."""

    at: float
    running: bool
    """It runs, or would if it got a processor."""
    used: float
    """Seconds of processor time."""


class Stillness:
    """The looks at silent processes."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._first: dict[int, Look] = {}

    def hangs(self, pid: int) -> bool:
        """Ask again and again while it is silent; False as long as it may only be starved."""
        look = self._look(pid)
        if look is None or not look.running:
            return True
        first = self._first.setdefault(pid, look)
        if look.at - first.at < _SECOND_LOOK:
            return False
        self._first[pid] = look
        return look.used > first.used

    def alive(self, pid: int) -> None:
        """It gave a sign."""
        self._first.pop(pid, None)

    def _look(self, pid: int) -> Look | None:
        """None where the kernel does not show it."""
        try:
            text = (self._proc / str(pid) / "stat").read_text("ascii", "replace")
            parts = text[text.rindex(")") + 2 :].split()
            return Look(time.monotonic(), parts[0] == "R", (int(parts[11]) + int(parts[12])) / _TICK)
        except (OSError, ValueError, IndexError):
            return None
