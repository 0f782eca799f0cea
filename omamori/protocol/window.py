"""Reboot windows: which weekdays and times, in the customer's own time zone.

Pure arithmetic on aware datetimes. A window that ends before it starts runs over midnight and belongs to the
weekday it starts on. Daylight saving follows the time zone, and a window is never open at a wall-clock time that
the customer did not choose: a start or end that clocks skip that day is the moment they jump past it (a window skipped
whole does not open), and a repeated hour belongs to it once.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omamori.protocol.errors import WindowError


@dataclass(frozen=True, slots=True)
class RebootWindow:
    """When the customer allows a reboot. Weekdays are ISO: 1 is Monday, 7 is Sunday."""

    timezone: str
    weekdays: tuple[int, ...]
    start: str
    """`HH:MM`, wall clock in `timezone`."""
    end: str
    """`HH:MM`; not later than `start` means the next day."""

    def __post_init__(self) -> None:
        if not self.weekdays or not set(self.weekdays) <= set(range(1, 8)):
            raise WindowError(f"a window needs weekdays of 1 (Monday) to 7 (Sunday), not {self.weekdays!r}")
        if _clock(self.start) == _clock(self.end):
            raise WindowError(f"a window from {self.start} to {self.end} has no length")
        zone(self.timezone)


def zone(name: str) -> ZoneInfo:
    """Raises WindowError for a name that the IANA database does not have."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WindowError(f"not an IANA time zone: {name[:60]!r}") from error


def is_open(window: RebootWindow, now: datetime) -> bool:
    """Whether a reboot may begin at this aware moment."""
    opening, closing = next_opening(window, now)
    return opening <= now < closing


def next_opening(window: RebootWindow, now: datetime) -> tuple[datetime, datetime]:
    """The current opening if there is one, else the next: (opens, closes), aware, in UTC."""
    today = now.astimezone(zone(window.timezone)).date()
    openings = (_on(window, today + timedelta(days=offset)) for offset in range(-1, 16))
    return min(opening for opening in openings if opening and opening[1] > now)


def _on(window: RebootWindow, day: date) -> tuple[datetime, datetime] | None:
    if day.isoweekday() not in window.weekdays:
        return None
    where = zone(window.timezone)
    start, end = _clock(window.start), _clock(window.end)
    last = day if end > start else day + timedelta(days=1)
    closes = _instant(datetime.combine(last, end), where)
    openings = (_instant(datetime.combine(day, start).replace(fold=fold), where) for fold in (1, 0))
    return next(((opens, closes) for opens in openings if opens < closes), None)


def _instant(wall: datetime, where: ZoneInfo) -> datetime:
    """The first moment at which clocks there show this wall-clock time (its second one with fold=1) or, skipped, more."""
    moments = sorted(wall.replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _shown(moments[0], where) == wall.replace(fold=0):
        return moments[wall.fold]
    minutes = (moments[0] + timedelta(minutes=passed) for passed in range(24 * 60))
    return next(moment for moment in minutes if _shown(moment, where) >= wall.replace(fold=0))


def _shown(moment: datetime, where: ZoneInfo) -> datetime:
    return moment.astimezone(where).replace(tzinfo=None, fold=0)


def _clock(text: str) -> time:
    if not _TIME_OF_DAY.fullmatch(text):
        raise WindowError(f"not a time of day (HH:MM): {text[:20]!r}")
    return time.fromisoformat(text)


_TIME_OF_DAY = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9]")

NIGHTLY = RebootWindow("Asia/Tokyo", (1, 2, 3, 4, 5, 6, 7), "02:00", "05:00")
"""What a unit uses until its customer has chosen."""
