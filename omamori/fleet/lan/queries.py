"""Hosts and wiring as far as the actor may see, and which host held an address at a moment."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import within
from omamori.fleet.errors import NotFound
from omamori.fleet.lan.models import Apart, Declared, Host, HostAddress, Wiring

LEASE_SLACK = timedelta(hours=12)
"""How long before its first and after its last sighting an address may still be that host's."""


def hosts(actor: Actor, *, unit: str = "", site: int | None = None, side: str = "") -> QuerySet[Host]:
    """Hosts with their addresses, last seen first."""
    found = (
        Host.objects.filter(within(actor))
        .select_related("unit", "site__customer")
        .prefetch_related("addresses")
    )
    if unit:
        found = found.filter(unit_id=unit)
    if site is not None:
        found = found.filter(site_id=site)
    if side:
        found = found.filter(side=side)
    return found.order_by("-last_seen", "mac")


def host(actor: Actor, key: int) -> Host:
    """Raises NotFound."""
    found = hosts(actor).filter(pk=key).first()
    if found is None:
        raise NotFound(f"no host {key}")
    return found


def declared(actor: Actor, site: int) -> QuerySet[Declared]:
    """The hosts of that site that ought to be covered, by name."""
    found = Declared.objects.filter(within(actor), site_id=site)
    return found.select_related("site__customer").order_by("name", "mac")


def declared_one(actor: Actor, key: int) -> Declared:
    """Raises NotFound."""
    found = Declared.objects.filter(within(actor), pk=key).select_related("site").first()
    if found is None:
        raise NotFound(f"no declared host {key}")
    return found


def apart(actor: Actor, *, site: int | None = None) -> QuerySet[Apart]:
    """Pairs of hosts that an operator has told to be two devices, newest first."""
    found = Apart.objects.filter(within(actor)).select_related("site__customer")
    if site is not None:
        found = found.filter(site_id=site)
    return found.order_by("-pk")


def wiring(actor: Actor, *, unit: str = "", current: bool = True) -> QuerySet[Wiring]:
    """Diagnoses with their findings, newest first: the present one of each unit, or the whole history."""
    found = (
        Wiring.objects.filter(within(actor))
        .select_related("unit", "site__customer")
        .prefetch_related("findings")
    )
    if unit:
        found = found.filter(unit_id=unit)
    if current:
        found = found.filter(current=True)
    return found.order_by("-received", "-id")


def holder(unit: str, site: int, address: str, at: datetime) -> Host | None:
    """The host that held this address then: seen with it at that time, else seen with it nearest, within the slack."""
    held = HostAddress.objects.filter(host__unit_id=unit, host__site_id=site, address=address).select_related(
        "host"
    )
    near = held.filter(first_seen__lte=at + LEASE_SLACK, last_seen__gte=at - LEASE_SLACK)
    nearest = min(near, key=lambda lease: _distance(lease, at), default=None)
    return nearest.host if nearest else None


def _distance(lease: HostAddress, at: datetime) -> tuple[timedelta, timedelta]:
    outside = max(lease.first_seen - at, at - lease.last_seen, timedelta(0))
    return outside, at - lease.first_seen if lease.first_seen <= at else timedelta.max
