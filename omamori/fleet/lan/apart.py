"""Which hosts an operator has told to be two devices, though their unit took them for one, and taking that back.

Holds for a site: each of its units gets the whole list with its want, and tells afterwards what it concludes. Until then the fleet's
own rows of the pair are parted here, so that nobody reads the old conclusion. Every change has its audit record in its transaction.
"""

from datetime import datetime

from django.db import transaction

from omamori.fleet.accounts.actor import Actor, must_operate
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.operations import record
from omamori.fleet.errors import Conflict, Invalid, NotFound
from omamori.fleet.lan import queries
from omamori.fleet.lan.models import Apart, Host
from omamori.fleet.units.models import Unit
from omamori.fleet.units.operations import raise_want
from omamori.protocol.ids import Mac
from omamori.protocol.messages import MAX_APART


@transaction.atomic
def part(actor: Actor, key: int, *, reason: str, now: datetime) -> Apart:
    """Host `key` is not the device its unit takes it for. Raises NotFound, NotAllowed, Invalid, Conflict."""
    must_operate(actor)
    host = queries.host(actor, key)
    if not host.device:
        raise Conflict(f"{host.mac} is not taken for another device")
    site = Site.objects.select_for_update().get(pk=host.site_id)
    if Apart.objects.filter(site=site).count() >= MAX_APART:
        raise Conflict(f"a site can have {MAX_APART} pairs of hosts set apart")
    first, second = sorted((host.mac, host.device))
    told = _reason(reason)
    made, new = Apart.objects.get_or_create(
        site=site,
        first=first,
        second=second,
        defaults={"added": now, "added_by": str(actor)[:160], "reason": told},
    )
    Host.objects.filter(site=site, mac=host.mac, device=host.device).update(device="", device_reason="")
    if new:
        record(actor, "hosts.part", str(made), site=site, details={"reason": told})
        _tell(site)
    return made


@transaction.atomic
def rejoin(actor: Actor, key: int, *, reason: str) -> None:
    """The units may take the pair for one device again, where they still think so. Raises NotFound, NotAllowed, Invalid."""
    must_operate(actor)
    pair = queries.apart(actor).filter(pk=key).first()
    if pair is None:
        raise NotFound(f"no pair {key}")
    record(actor, "hosts.rejoin", str(pair), site=pair.site, details={"reason": _reason(reason)})
    pair.delete()
    _tell(pair.site)


def pairs_for(unit: Unit) -> tuple[tuple[Mac, ...], ...]:
    """What the unit is to be told."""
    rows = Apart.objects.filter(site=unit.site_id).order_by("pk")[:MAX_APART]
    return tuple((Mac(row.first), Mac(row.second)) for row in rows)


def _tell(site: Site) -> None:
    raise_want(list(site.units.values_list("pk", flat=True)), {})


def _reason(text: str) -> str:
    cleaned = " ".join(text.split())
    if not cleaned:
        raise Invalid("say why: it is kept for the audit")
    return cleaned[:400]
