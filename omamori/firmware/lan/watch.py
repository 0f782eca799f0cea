"""How one port's link was at the last look, and what its counters did in the last minutes. Pure."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from omamori.firmware.lan.links import Interface
from omamori.firmware.lan.observations import Link

WINDOW: Final = timedelta(minutes=10)
_STEP: Final = timedelta(seconds=15)


@dataclass(slots=True)
class Watch:
    """One port."""

    interface: Interface
    since: datetime
    _counts: deque[tuple[datetime, int, int]] = field(default_factory=deque)
    """Time, broken and good frames since boot: one each quarter of a minute, back to the window's begin."""

    def look(self, interface: Interface, now: datetime) -> Link:
        """The link now; `since` moves when the carrier changed, even there and back."""
        if interface.changes != self.interface.changes or interface.up != self.interface.up:
            self.since = now
            self._counts.clear()
        self.interface = interface
        self._count(now)
        _, errors, frames = self._counts[0]
        return Link(
            interface.name,
            interface.up,
            self.since,
            interface.received,
            interface.sent,
            speed=interface.speed,
            half_duplex=interface.half_duplex,
            errors=max(0, interface.errors - errors),
            frames=max(0, interface.received - frames),
        )

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        self.since += by
        self._counts = deque((time + by, errors, frames) for time, errors, frames in self._counts)

    def _count(self, now: datetime) -> None:
        if not self._counts or now - self._counts[-1][0] >= _STEP:
            self._counts.append((now, self.interface.errors, self.interface.received))
        while now - self._counts[0][0] > WINDOW and len(self._counts) > 1:
            self._counts.popleft()
