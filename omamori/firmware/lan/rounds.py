"""When the unit asks something of everybody: soon after a cable was touched, and at long intervals ever after. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta


class Rounds:
    """One kind of question."""

    def __init__(self, link_since: datetime, *, after: Sequence[timedelta], every: timedelta) -> None:
        self._after, self._every = tuple(after), every
        self._link_since = link_since
        self._due = [link_since + wait for wait in self._after]

    def due(self, now: datetime, *, link_since: datetime) -> bool:
        """Whether a round begins now."""
        if link_since != self._link_since:
            self._link_since, self._due = link_since, [link_since + wait for wait in self._after]
        if now < self._due[0]:
            return False
        self._due = [time for time in self._due if time > now] or [now + self._every]
        return True

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        self._link_since += by
        self._due = [time + by for time in self._due]
