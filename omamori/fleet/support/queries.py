"""Who was on which unit, from when until when, and why: what customers, help desk and the relay read."""

import hmac
from datetime import datetime

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.errors import Conflict
from omamori.fleet.support.models import Call, Event, Refusal
from omamori.fleet.support.operations import ticket
from omamori.fleet.support.visits import Visit, visits
from omamori.fleet.units import queries as units
from omamori.fleet.units.models import Unit
from omamori.protocol.vocabulary import SupportPhase


def of_unit(actor: Actor, key: str) -> list[Visit]:
    """Raises NotFound."""
    return visits(units.unit(actor, key).support_events.all())


def kept_shut(actor: Actor, key: str) -> list[Event]:
    """When the unit opened nothing although it was asked, newest first; `reason` says why. Raises NotFound."""
    return list(units.unit(actor, key).support_events.filter(phase=SupportPhase.REFUSED))


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
