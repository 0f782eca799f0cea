"""How often each worker ended lately, and when it may be forked anew: at once the first time, later each time after."""

from typing import Final

_TOO_OFTEN: Final = 3
_DELAY: Final = 0.2
_MOST: Final = 10


class Crashes:
    """Of one supervisor, by the workers' indexes; times are monotonic."""

    def __init__(self, within: float) -> None:
        self._within = within
        self._times: dict[int, list[float]] = {}
        self._not_before: dict[int, float] = {}

    def ended(self, index: int, now: float, *, crashed: bool) -> bool:
        """Whether it crashed too often. One that ended to make room did not crash."""
        recent = [at for at in self._times.get(index, []) if now - at < self._within]
        self._times[index] = [*recent, now] if crashed else recent
        self._not_before[index] = now + _DELAY * min(_MOST, len(recent))
        return crashed and len(recent) + 1 >= _TOO_OFTEN

    def may_begin(self, index: int, now: float) -> bool:
        return now >= self._not_before.get(index, 0.0)

    def forget(self) -> None:
        """Another pack is another beginning."""
        self._times.clear()
