"""How far the unit's clock is from the world's: time servers' answers to hosts, overheard. Pure and bounded.

One server may be wrong; the middle of several is believed.
"""

from datetime import datetime, timedelta
from statistics import median
from typing import Final

from omamori.firmware.lan.ntp import TimeSignal

KEEP: Final = timedelta(hours=2)
_MOST: Final = 16


class Timing:
    """Notes signals with the unit's own time of arrival."""

    def __init__(self) -> None:
        self._offsets: dict[str, tuple[timedelta, datetime]] = {}

    def note(self, arrived: datetime, signal: TimeSignal) -> None:
        """Take one answer in."""
        self._offsets.pop(str(signal.server), None)
        self._offsets[str(signal.server)] = (signal.time - arrived, arrived)
        if len(self._offsets) > _MOST:
            del self._offsets[next(iter(self._offsets))]

    def offset(self, now: datetime) -> tuple[timedelta, int] | None:
        """How much later the servers' clocks are than ours, and how many said so."""
        fresh = [offset for offset, arrived in self._offsets.values() if now - arrived <= KEEP]
        if not fresh:
            return None
        middle = timedelta(seconds=median(offset.total_seconds() for offset in fresh))
        return (middle, len(fresh))

    def shift(self, by: timedelta) -> None:
        """The clock was set: it is nearer to theirs, or farther."""
        self._offsets = {
            server: (offset - by, arrived + by) for server, (offset, arrived) in self._offsets.items()
        }
