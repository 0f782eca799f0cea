"""When a staged firmware may be tried: pure, on what is wanted, where the update stands, and the time.

Never outside the customer's window unless the customer said "now" or a security deadline has come, and by no clock at
all while it is one that was never set: 02:00 in 1970 may be noon. A deadline overrides window, postponement and power
cycle; a power cycle needs no decision here, since a staged slot is what the next start tries anyway.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from omamori.firmware.agent.picture import ByHand
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import UpdateState, Want
from omamori.protocol.vocabulary import ApplyWhen, UpdatePhase
from omamori.protocol.window import next_opening

CLOCK_FLOOR: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No unit is older; a clock before this was never set."""
SPREAD: Final = timedelta(minutes=10)
"""Units do not all reboot at the minute a window opens."""


def when(
    want: Want | None, update: UpdateState, now: datetime, unit: UnitId, by_hand: ByHand | None = None
) -> datetime | None:
    """The moment to reboot into the staged firmware; now or earlier means at once, None that nothing waits (yet).

    What was ordered at the unit itself is tried as the fleet's would be, but by nobody's "now" and no deadline: those were said of another version.
    """
    if update.phase is not UpdatePhase.STAGED:
        return None
    if by_hand and by_hand.version == update.version and by_hand.holds(want):
        known = want or Want(by_hand.generation)
        if known.firmware != update.version:
            want = replace(known, firmware=update.version, apply=ApplyWhen.WINDOW, deadline=None)
    if want is None or want.firmware != update.version:
        return None
    if want.apply is ApplyWhen.NOW:
        return now
    if not plausible(now):
        return None
    latest = None if want.deadline is None else want.deadline - SPREAD * share(unit)
    usual = None if want.at_power_cycle else _in_window(want, now, unit)
    return min((moment for moment in (latest, usual) if moment is not None), default=None)


def _in_window(want: Want, now: datetime, unit: UnitId) -> datetime:
    """In the first window that is open now or later, and not before the customer's postponement has ended."""
    opens, closes = next_opening(want.window, max(now, want.postponed_until or now))
    return opens + min(SPREAD, (closes - opens) / 2) * share(unit)


def plausible(now: datetime) -> bool:
    """Whether this clock can have been set."""
    return now >= CLOCK_FLOOR


def share(unit: UnitId) -> float:
    """The unit's own place in [0, 1), the same for ever."""
    return int.from_bytes(hashlib.sha256(b"reboot " + unit.encode()).digest()[:4]) / 2**32
