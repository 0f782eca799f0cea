"""The coverage of a site over time as stacked bars, a bar for each day. Pure; a day that was not taken stays empty."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from omamori.fleet.lan.coverage import State
from omamori.fleet.lan.history import Day

HEIGHT: Final = 100
STEP: Final = 10
"""Width of a day in the drawing's units; the bar takes eight of them."""
FILLS: Final = {State.COVERED: "#23915a", State.WRONG_SIDE: "#d98200", State.NEVER_SEEN: "#8b94a8"}
"""From the bottom up; what is gone or private is not drawn: it need not be covered."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar."""

    top: float
    height: float
    fill: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's bar."""

    day: Day
    left: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over a span of days that ends today."""

    first: date
    last: date
    bars: tuple[Bar, ...]
    most: int
    """Devices that the full height stands for."""

    @property
    def width(self) -> int:
        return STEP * ((self.last - self.first).days + 1)


def chart(days: Iterable[Day], *, span: int, today: date) -> Chart:
    """The last `span` days; a shorter history begins at its own first day, but never less than four weeks are drawn."""
    first = today - timedelta(days=span - 1)
    taken = [day for day in days if first <= day.day <= today]
    if taken:
        first = max(first, min(taken[0].day, today - timedelta(days=27)))
    most = max((sum(day.counts[state] for state in FILLS) for day in taken), default=0)
    bars = tuple(Bar(day, STEP * (day.day - first).days, _parts(day, most or 1)) for day in taken)
    return Chart(first, today, bars, most)


def _parts(day: Day, most: int) -> tuple[Part, ...]:
    parts, floor = [], float(HEIGHT)
    for state, fill in FILLS.items():
        height = round(HEIGHT * day.counts[state] / most, 2)
        floor = round(floor - height, 2)
        if height:
            parts.append(Part(max(floor, 0.0), height, fill))
    return tuple(parts)
