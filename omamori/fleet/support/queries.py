"""Who was on which unit, from when until when, and why: what customers, help desk and the relay read."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.models import Site
from omamori.fleet.errors import Conflict
from omamori.fleet.support.models import Call, Event, Refusal
from omamori.fleet.support.operations import ticket
from omamori.fleet.units import queries as units
from omamori.fleet.units.models import Unit
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


def of_unit(actor: Actor, key: str) -> list[Visit]:
    """Raises NotFound."""
    return visits(units.unit(actor, key).support_events.all())


def of_site(site: Site, since: datetime) -> list[Visit]:
    """Those that were opened since then, for the messages to the customer."""
    return visits(Event.objects.filter(site=site, time__gte=since))


def refused(unit: Unit) -> Refusal | None:
    """The customer's word, where there is one."""
    return Refusal.objects.filter(unit=unit).first()


def live(key: str, now: datetime) -> Call | None:
    """What is asked of the unit and holds."""
    if Refusal.objects.filter(unit_id=key).exists():
        return None
    return Call.objects.filter(unit_id=key, ended__isnull=True, until__gt=now).first()


def proven(key: str, shown: str, now: datetime) -> bool:
    """Whether what a caller shows the relay is this unit's ticket of a call that holds."""
    call = live(key, now)
    return call is not None and hmac.compare_digest(ticket(call.call).encode(), shown.encode())


def host_key(call: Call) -> str:
    """The SSH host key that the unit made for it. Raises Conflict where it has not opened."""
    said = Event.objects.filter(unit=call.unit, call=call.call).order_by("-pk").first()
    opened = (
        Event.objects.filter(unit=call.unit, call=call.call, phase=SupportPhase.OPENED)
        .order_by("-pk")
        .first()
    )
    if opened is None or said is None or said.phase in {SupportPhase.CLOSED, SupportPhase.REFUSED}:
        why = f": {said.reason}" if said and said.reason else ""
        raise Conflict(f"{call.unit_id} is not open{why}")
    return opened.host_key


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
    )
