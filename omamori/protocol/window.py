"""Reboot windows: which weekdays and times, in the customer's own time zone.

Pure arithmetic on aware datetimes. A window that ends before it starts runs over midnight and belongs to the
weekday it starts on. Daylight saving follows the time zone: a wall-clock start that does not exist that day
opens when the clock has jumped past it.
"""

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


NIGHTLY = RebootWindow("Asia/Tokyo", (1, 2, 3, 4, 5, 6, 7), "02:00", "05:00")
"""What a unit uses until its customer has chosen."""


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
    openings = (_on(window, today + timedelta(days=offset)) for offset in range(-1, 9))
    return min(opening for opening in openings if opening and opening[1] > now)


def _on(window: RebootWindow, day: date) -> tuple[datetime, datetime] | None:
    if day.isoweekday() not in window.weekdays:
        return None
    where = zone(window.timezone)
    start, end = _clock(window.start), _clock(window.end)
    last = day if end > start else day + timedelta(days=1)
    opens = datetime.combine(day, start, where).astimezone(UTC)
    closes = datetime.combine(last, end, where).astimezone(UTC)
    return (opens, closes) if closes > opens else None


def _clock(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a wall-clock time has no zone of its own
    except ValueError as error:
        raise WindowError(f"not a time of day (HH:MM): {text[:20]!r}") from error
