"""Times for records that hold together when the clock is set: wall time, kept steady by the monotonic clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import Final

_TOLERANCE: Final = timedelta(seconds=2)
"""Less than this is slewing, not setting."""


class SteadyClock:
    """`now` advances with the monotonic clock; `step` tells by how much the wall clock was set since, and takes it over."""

    def __init__(self, *, wall: Callable[[], float] = time, steady: Callable[[], float] = monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._base = self._offset()

    def now(self) -> datetime:
        return self._moment(self._base)

    def step(self) -> timedelta:
        """How far the wall clock jumped; zero unless by more than two seconds."""
        offset = self._offset()
        jump = timedelta(seconds=offset - self._base)
        if abs(jump) < _TOLERANCE:
            return timedelta(0)
        self._base = offset
        return jump

    def _offset(self) -> float:
        return self._wall() - self._steady()

    def _moment(self, base: float) -> datetime:
        return datetime.fromtimestamp(base + self._steady(), UTC)
