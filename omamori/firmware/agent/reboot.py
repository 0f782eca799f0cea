"""When a staged firmware may be tried: pure, on what is wanted, where the update stands, and the time.

Never outside the customer's window unless the customer said "now", and never in a window at all while the clock is
one that was never set: 02:00 in 1970 may be noon.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from omamori.protocol.ids import UnitId
from omamori.protocol.messages import UpdateState, Want
from omamori.protocol.vocabulary import ApplyWhen, UpdatePhase
from omamori.protocol.window import next_opening

CLOCK_FLOOR: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No unit is older; a clock before this was never set."""
SPREAD: Final = timedelta(minutes=10)
"""Units do not all reboot at the minute a window opens."""


def when(want: Want | None, update: UpdateState, now: datetime, unit: UnitId) -> datetime | None:
    """The moment to reboot into the staged firmware; now or earlier means at once, None that nothing waits (yet)."""
    if want is None or update.phase is not UpdatePhase.STAGED or want.firmware != update.version:
        return None
    if want.apply is ApplyWhen.NOW:
        return now
    if not plausible(now):
        return None
    opens, closes = next_opening(want.window, now)
    return opens + min(SPREAD, (closes - opens) / 2) * share(unit)


def plausible(now: datetime) -> bool:
    """Whether this clock can have been set."""
    return now >= CLOCK_FLOOR


def share(unit: UnitId) -> float:
    """The unit's own place in [0, 1), the same for ever."""
    return int.from_bytes(hashlib.sha256(b"reboot " + unit.encode()).digest()[:4]) / 2**32
