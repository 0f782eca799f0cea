"""Times in which part of the traffic passed uninspected: when each began and ended, and about how many packets that were.

The kernel counts what its queue rules were offered, workers count what they took; what the difference grows by during a gap
is what passed. Workers tell their counts a little late, so it says about how many.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from omamori.firmware.bridge.wiring import EVERYTHING
from omamori.firmware.host import files, wrapped
from omamori.firmware.host.firewall import Firewall, FirewallError
from omamori.firmware.host.rules import Plan


@dataclass(frozen=True, slots=True)
class Gap:
    """`packets` is None where the kernel's counters could not be read, or did not count yet."""

    whose: str
    """A worker, or all traffic."""
    begun: datetime
    ended: datetime
    seconds: float
    packets: int | None

    def text(self) -> str:
        much = "" if self.packets is None else f", about {self.packets} packets"
        span = f"{self.begun:%H:%M:%S.%f}"[:-3], f"{self.ended:%H:%M:%S.%f}"[:-3]
        return f"traffic passed uninspected for {self.seconds:.1f} s ({self.whose}; {span[0]} to {span[1]} UTC{much})"


class Kernels(NamedTuple):
    """What the kernel did with packets by itself."""

    stopped: int
    """Of blocked flows."""
    wrapped: int
    """That went on unseen, in more tags than it looks below."""


class Offer:
    """The kernel's rules, how many packets came to their queues under all plans so far, how many they stopped, and how many they never saw."""

    def __init__(
        self, firewall: Firewall, look: float = 10.0, wrapped: Callable[[], int] = wrapped.count
    ) -> None:
        self._firewall, self._every, self._wrapped = firewall, look, wrapped
        self._before = 0
        self._planned = False
        self._stopped_before = self._stopped = 0
        self._next = 0.0

    def apply(self, plan: Plan) -> None:
        """Raises FirewallError."""
        before, stopped = self.packets(), self._look()
        self._firewall.apply(plan)
        self._before, self._planned = before or self._before, True
        self._stopped_before = self._stopped = stopped

    def packets(self) -> int | None:
        """None where that cannot be known."""
        try:
            return self._before + self._firewall.offered() if self._planned else None
        except FirewallError:
            return None

    def counted(self, *, any_blocked: bool) -> Kernels:
        return Kernels(self.stopped(any_blocked=any_blocked), self._wrapped())

    def stopped(self, *, any_blocked: bool = True) -> int:
        """Packets of blocked flows that the kernel stopped, as of a moment ago; nothing is looked at before there was one."""
        now = time.monotonic()
        if any_blocked and now >= self._next:
            self._next = now + self._every
            self._stopped = self._look()
        return self._stopped

    def _look(self) -> int:
        try:
            return self._stopped_before + self._firewall.stopped() if self._planned else self._stopped
        except FirewallError:
            return self._stopped


class Gaps:
    """Of one supervisor. `bypassed` says how many packets passed by so far, or None."""

    def __init__(self, bypassed: Callable[[], int | None]) -> None:
        self._bypassed = bypassed
        self._open: dict[str, tuple[float, datetime, int | None]] = {}
        self.count = 0
        self.seconds = 0.0
        self.packets = 0
        self.counted = 0
        """Those of the packets that workers counted, too."""
        self.last: Gap | None = None

    def begin(self, whose: str) -> None:
        """Does nothing while the same gap is open."""
        if whose not in self._open:
            self._open[whose] = time.monotonic(), datetime.now(UTC), self._bypassed()

    def end(self, whose: str) -> Gap | None:
        """None where there was no gap."""
        found = self._open.pop(whose, None)
        if found is None:
            return None
        seconds = time.monotonic() - found[0]
        gap = Gap(whose, found[1], datetime.now(UTC), seconds, self._since(found[2]))
        self._note(gap)
        return gap

    def add(self, gap: Gap) -> None:
        """One that was found elsewhere, and whose packets the workers counted."""
        self._note(gap)
        self.counted += gap.packets or 0

    def before(self, left: Path) -> Gap | None:
        """From when the ports forwarded, as the initrd left it (decision 0038), until now. Told once: what was left is removed."""
        now = time.monotonic()
        try:
            since = float(files.read_capped(left, cap=32))
            left.unlink()
        except (OSError, ValueError):
            return None
        if not 0 <= since <= now:
            return None
        ended = datetime.now(UTC)
        gap = Gap(EVERYTHING, ended - timedelta(seconds=now - since), ended, now - since, None)
        self._note(gap)
        return gap

    def end_all(self) -> Gap | None:
        """Everything is inspected again: the longest gap stands for all."""
        whose = min(self._open, key=lambda one: self._open[one][0], default="")
        gap = self.end(whose) if whose else None
        self._open.clear()
        return gap

    def _note(self, gap: Gap) -> None:
        self.count, self.seconds, self.last = self.count + 1, self.seconds + gap.seconds, gap
        self.packets += gap.packets or 0

    def _since(self, before: int | None) -> int | None:
        now = self._bypassed()
        return None if now is None or before is None else max(0, now - before)
