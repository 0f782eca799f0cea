"""Which way round the unit is plugged in, as the lan process judges: swapped cables are healed here by exchanging directions.

The file is looked at once a second and read when it changed. One that cannot be read changes nothing; without one the ports are
what their names say. Flows that began before keep the direction they began with.
"""

import json
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths

_EVERY: Final = 1.0
_CAP: Final = 4096


class Direction:
    """`look` is cheap: call it at each tick."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.ports
        self._next = 0.0
        self._seen: tuple[int, int] | None = None
        self.swapped = False
        """The hosts are on the port that is meant for the router."""

    def look(self, now: float) -> None:
        """`now` is any clock that goes on."""
        if self._next - 2 * _EVERY < now < self._next:
            return
        self._next = now + _EVERY
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self.swapped = self._read() if stamp else False

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns)

    def _read(self) -> bool:
        try:
            value = json.loads(files.read_capped(self._path, cap=_CAP))
            return value["swapped"] is True
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return self.swapped
