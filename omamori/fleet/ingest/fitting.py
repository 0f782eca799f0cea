"""Values of messages made to fit columns: any message that decodes must be storable, or one would stop a batch."""

import math
from datetime import UTC, datetime
from typing import TypeVar

INTEGER_CAP = 2**63 - 1

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside can only be a broken clock, and arithmetic near year 1 or 9999 fails."""

Number = TypeVar("Number", int, float)


def fitted(text: str, length: int) -> str:
    """No longer than `length`, without NUL (PostgreSQL has none) and without lone surrogates (UTF-8 has none)."""
    return text[:length].replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def clamp(value: Number, low: Number, high: Number) -> Number:
    """Within the bounds; a number that is none is the lower bound."""
    return low if math.isnan(value) else min(max(value, low), high)


def counted(value: int) -> int:
    """A counter a 64-bit column can hold."""
    return clamp(value, 0, INTEGER_CAP)


def port(value: int | None) -> int | None:
    """A port number, or None where it cannot be one."""
    return value if value is not None and 0 <= value <= 65535 else None


def moment(value: datetime) -> datetime:
    """A time that can be calculated with and shown in any zone."""
    return min(max(value, EARLIEST), LATEST)
