"""Openings of units' shells, put together from what the units said. Pure but for the rows it is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from omamori.fleet.support.models import Event
from omamori.protocol.vocabulary import SupportPhase


@dataclass(frozen=True, slots=True)
class Visit:
    """One opening of a unit's shell, out of what the unit said."""

    unit: str
    call: str
    who: str
    why: str
    opened: datetime
    until: datetime | None
    closed: datetime | None
    """None while it is open, or where the unit has not said yet that it closed."""
    entered: int
    """How often the helper's key was accepted."""
    reason: str = ""
    """Why it closed."""
    event: int = 0
    """The row that says it opened."""


def visits(events: Iterable[Event]) -> list[Visit]:
    """Newest first. A call may be opened more than once, by a restart in between: each is a visit of its own."""
    found: list[Visit] = []
    opened: Event | None = None
    entered = 0
    for event in sorted(events, key=lambda each: (each.unit_id, each.time, each.pk)):
        ours = opened is not None and (event.unit_id, event.call) == (opened.unit_id, opened.call)
        match event.phase:
            case SupportPhase.OPENED:
                if opened is not None:
                    found.append(_visit(opened, None, entered))
                opened, entered = event, 0
            case SupportPhase.ENTERED if ours:
                entered += 1
            case SupportPhase.CLOSED if ours and opened is not None:
                found.append(_visit(opened, event, entered))
                opened = None
    if opened is not None:
        found.append(_visit(opened, None, entered))
    return sorted(found, key=lambda visit: visit.opened, reverse=True)


def _visit(opened: Event, closed: Event | None, entered: int) -> Visit:
    return Visit(
        opened.unit_id,
        opened.call,
        opened.who,
        opened.why,
        opened.time,
        opened.until,
        closed.time if closed else None,
        entered,
        closed.reason if closed else "",
        opened.pk,
    )
