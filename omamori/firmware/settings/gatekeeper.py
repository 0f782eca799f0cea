"""Whether somebody may change something: the code on the label, and how often one may guess. Pure."""

from dataclasses import dataclass
from typing import Final

TRIES: Final = 5
"""Wrong codes in a row before the gate closes."""
CLOSED: Final = 900.0
"""Seconds for which it then stays closed; of 2^40 codes that lets 480 a day be tried."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is remembered until the next start. Times are seconds since boot: nobody sets that clock."""

    wrong: int = 0
    closed_until: float = 0.0

    def is_closed(self, now: float) -> bool:
        return now < self.closed_until

    def after(self, *, right: bool, now: float) -> "Attempts":
        """What one more attempt makes of it."""
        if right:
            return Attempts()
        wrong = self.wrong + 1
        return Attempts(0, now + CLOSED) if wrong >= TRIES else Attempts(wrong, self.closed_until)
