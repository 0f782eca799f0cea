"""Times as operators type them: a length (`7d`), or a moment (`2026-12-01T18:00`)."""

import re
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from omamori.fleet.errors import Invalid

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LENGTH = re.compile(r"([0-9]{1,9})([smhd])")


def duration(text: str) -> timedelta:
    """Raises Invalid."""
    match = _LENGTH.fullmatch(text.strip())
    if not match:
        raise Invalid(f"not a duration: {text[:40]!r} (90s, 30m, 12h, 7d)")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def moment(text: str, now: datetime) -> datetime:
    """That long from now, or that moment, in UTC; without a zone it is one of the fleet's. Raises Invalid."""
    try:
        if _LENGTH.fullmatch(text.strip()):
            return now + duration(text)
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else timezone.make_aware(found)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"not a time: {text[:40]!r} (2026-12-01T18:00, or 7d from now)") from error
