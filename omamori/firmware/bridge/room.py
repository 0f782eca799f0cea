"""How much memory a worker needs beyond what it began with: read from the kernel, because no sum of our own is complete."""

import resource
from pathlib import Path
from typing import Final

_HOPELESS: Final = 1.5
"""Of what is allowed: forgetting flows has not helped."""
_STATM: Final = Path("/proc/self/statm")


class Room:
    """Made when the worker begins."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._begin = _own()

    def is_short(self) -> bool:
        return _own() - self._begin > self._allowed

    def is_hopeless(self) -> bool:
        return _own() - self._begin > _HOPELESS * self._allowed


def _own() -> int:
    """Bytes. Pages of files are left out: a pack's are there once for all workers, and come as they are first looked at."""
    resident, shared = _STATM.read_text("ascii").split()[1:3]
    return (int(resident) - int(shared)) * resource.getpagesize()
