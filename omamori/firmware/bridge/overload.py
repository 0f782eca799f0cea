"""Times in which more came than the workers could inspect, told as gaps: of which kind, when, and how many packets.

Workers count what they let by (`Counters.uninspected`); a gap lasts from the first look that finds more until nothing was let by
for a while.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from omamori.firmware.bridge.gaps import Gap

_EVERY: Final = 0.5
_OVER: Final = 2.0
"""Seconds without another packet after which it is over."""


@dataclass(slots=True)
class _Open:
    begun: datetime
    since: float
    before: int
    latest: float


class Overload:
    """Of all workers together."""

    def __init__(self) -> None:
        self._next = 0.0
        self._counts: dict[str, int] = {}
        self._open: dict[str, _Open] = {}

    def due(self, now: float) -> bool:
        """Whether it is time for another look; `now` is monotonic."""
        return now >= self._next

    def look(self, uninspected: Mapping[str, int], now: float | None = None) -> list[Gap]:
        """Sums of the workers' counters; the gaps that are over."""
        now = time.monotonic() if now is None else now
        self._next = now + _EVERY
        for kind, count in uninspected.items():
            before = self._counts.get(kind, 0)
            self._counts[kind] = count
            if count > before:
                found = self._open.setdefault(kind, _Open(datetime.now(UTC), now, before, now))
                found.latest = now
        over = [kind for kind, found in self._open.items() if now - found.latest > _OVER]
        return [self._gap(kind, self._open.pop(kind)) for kind in over]

    def _gap(self, kind: str, found: _Open) -> Gap:
        seconds = max(_EVERY, found.latest - found.since)
        packets = self._counts[kind] - found.before
        return Gap(f"overloaded: {kind}", found.begun, datetime.now(UTC), seconds, packets)
