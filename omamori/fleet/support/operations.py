"""A helper on a unit: the operator asks for it, the customer may refuse or end it, the unit says what became of it.

Nothing here opens anything. A call tells the unit to look for a support key that somebody else has signed, and where the
relay is; a call that ended, or was refused, makes the unit close at once.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from omamori.fleet.accounts.actor import Actor, must_operate
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.operations import record
from omamori.fleet.errors import Conflict, Invalid, NotAllowed
from omamori.fleet.ingest.fitting import fitted, moment
from omamori.fleet.support import published
from omamori.fleet.support.models import Call, Event, Refusal
from omamori.fleet.support.visits import Visit, visits
from omamori.fleet.surfaces import addresses
from omamori.fleet.units import queries as units
from omamori.fleet.units.models import Unit
from omamori.fleet.units.operations import raise_want
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Support, SupportCall
from omamori.protocol.vocabulary import SupportPhase

TELLING = timedelta(days=14)
"""How long an opening may wait to be told: units report late, and a server may be down."""
KEPT = 500
"""Events of one unit."""


@transaction.atomic
def ask(actor: Actor, key: str, repository: Path, *, now: datetime) -> Call:
    """Ask the unit to look for its support key. Raises NotFound, NotAllowed, Invalid, Conflict."""
    must_operate(actor)
    unit = units.unit(actor, key)
    if addresses.relay(settings.FLEET) is None:
        raise Invalid("this fleet has no relay: set support_bind (see `omamori fleet settings`)")
    if Refusal.objects.filter(unit=unit).exists():
        raise NotAllowed(f"the customer refuses support on {key}")
    document = published.document(repository, UnitId(unit.pk), now)
    _end(unit, str(actor), now)
    made = Call.objects.create(
        unit=unit,
        call=secrets.token_hex(8),
        made=now,
        made_by=str(actor)[:160],
        until=document.until,
        who=document.who,
        why=document.why,
    )
    details = {"call": made.call, "who": made.who, "why": made.why, "until": made.until.isoformat()}
    record(actor, "support.ask", key, site=unit.site, details=details)
    raise_want([unit.pk], {})
    return made


@transaction.atomic
def end(actor: Actor, key: str, *, now: datetime) -> None:
    """Close the unit's shell before its time; customers may, too. Raises NotFound, Conflict where none is asked for."""
    unit = units.unit(actor, key)
    if not _end(unit, str(actor), now):
        raise Conflict(f"nobody is asked onto {key}")
    record(actor, "support.end", key, site=unit.site)
    raise_want([unit.pk], {})


@transaction.atomic
def refuse(actor: Actor, key: str, *, now: datetime) -> None:
    """Nobody on this unit from now on, whoever signs what. Raises NotFound."""
    unit = units.unit(actor, key)
    made = Refusal.objects.get_or_create(unit=unit, defaults={"since": now, "by": str(actor)[:160]})[1]
    ended = _end(unit, str(actor), now)
    if made:
        record(actor, "support.refuse", key, site=unit.site)
    if ended:
        raise_want([unit.pk], {})


@transaction.atomic
def allow(actor: Actor, key: str) -> None:
    """Support may be asked for again. Raises NotFound."""
    unit = units.unit(actor, key)
    if Refusal.objects.filter(unit=unit).delete()[0]:
        record(actor, "support.allow", key, site=unit.site)


def call_for(unit: Unit, *, now: datetime) -> SupportCall | None:
    """What the unit is told; None where nothing is asked, or the customer refuses."""
    place = addresses.relay(settings.FLEET)
    found = Call.objects.filter(unit=unit, ended__isnull=True, until__gt=now).first()
    if place is None or found is None or Refusal.objects.filter(unit=unit).exists():
        return None
    return SupportCall(found.call, place.host, place.port, ticket(found.call))


def ticket(call: str) -> str:
    """What the unit shows the relay; never stored."""
    secret = str(settings.SECRET_KEY).encode()
    return hmac.new(secret, b"support relay " + call.encode(), hashlib.sha256).hexdigest()


def tell(unit: Unit, boot: str, sequence: int, said: Support, *, received: datetime) -> None:
    """Store a unit's report, once; the newest `KEPT` of each unit stay."""
    _, made = Event.objects.get_or_create(
        unit=unit,
        boot=boot,
        sequence=sequence,
        defaults={
            "site_id": unit.site_id,
            "received": received,
            "time": moment(said.time),
            "call": fitted(said.call, 32),
            "phase": said.phase.value,
            "who": fitted(said.who, 80),
            "why": fitted(said.why, 200),
            "since": moment(said.since) if said.since else None,
            "until": moment(said.until) if said.until else None,
            "reason": fitted(said.reason, 400),
            "host_key": fitted(said.host_key, 120),
        },
    )
    if made:
        newest = Event.objects.filter(unit=unit).order_by("-pk").values_list("pk", flat=True)[:KEPT]
        Event.objects.filter(unit=unit, pk__lt=min(newest)).delete()


def untold(site: Site, *, now: datetime) -> list[Visit]:
    """Openings that are over and that the customer had no message about; they count as told from here on."""
    recent = Event.objects.filter(site=site, time__gte=now - TELLING)
    fresh = set(recent.filter(phase=SupportPhase.OPENED, told=False).values_list("pk", flat=True))
    if not fresh:
        return []
    found = [
        visit
        for visit in visits(recent)
        if visit.event in fresh and (visit.closed or (visit.until and visit.until <= now))
    ]
    Event.objects.filter(pk__in=[visit.event for visit in found]).update(told=True)
    return sorted(found, key=lambda visit: visit.opened)


def _end(unit: Unit, by: str, now: datetime) -> bool:
    """Whether there was one that held."""
    live = Call.objects.filter(unit=unit, ended__isnull=True, until__gt=now)
    return bool(live.update(ended=now, ended_by=by[:160]))
