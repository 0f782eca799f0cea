"""What the customer says about hosts: names, whose they are, and which ought to be covered. Whoever sees a site may say it.

Every change has its audit record in its own transaction. A name or an owner is said of the device at a site, so it holds for
each unit there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.utils import timezone

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.operations import record
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.lan import queries
from omamori.fleet.lan.declarations import NAME_CAP, Declaration
from omamori.fleet.lan.models import Declared, Host, Ownership

DECLARED_CAP: Final = 2000
"""Hosts a site can declare."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a site's list."""

    added: int
    kept: int
    removed: int = 0


@transaction.atomic
def describe(actor: Actor, key: int, *, name: str | None = None, ownership: Ownership | None = None) -> Host:
    """Name a host, or say whose it is; None leaves it, an empty name takes the customer's away. Raises NotFound, Invalid."""
    host = queries.host(actor, key)
    said = {"given_name": _name(name), "ownership": ownership.value if ownership is not None else None}
    changes = {column: value for column, value in said.items() if value is not None}
    changes = {column: value for column, value in changes.items() if value != getattr(host, column)}
    if changes:
        Host.objects.filter(site=host.site_id, mac=host.mac).update(**changes)
        record(actor, "host.describe", host.mac, site=host.site, details=changes)
    return queries.host(actor, key)


@transaction.atomic
def declare(actor: Actor, site: int, hosts: Sequence[Declaration], *, replace: bool = False) -> Change:
    """Add hosts that ought to be covered; `replace` drops those that are not named. Raises NotFound, Conflict."""
    place = _locked(actor, site)
    have = {_key(row): row for row in Declared.objects.filter(site=place)}
    wanted = {_key(host): host for host in hosts}
    gone = [row.pk for key, row in have.items() if key not in wanted] if replace else []
    made = [host for key, host in wanted.items() if key not in have]
    if len(have) - len(gone) + len(made) > DECLARED_CAP:
        raise Conflict(f"a site can declare {DECLARED_CAP} hosts")
    _rename(have, wanted)
    Declared.objects.filter(pk__in=gone).delete()
    now = timezone.now()
    Declared.objects.bulk_create(Declared(site=place, name=h.name, mac=h.mac, added=now) for h in made)
    change = Change(len(made), len(have) - len(gone), len(gone))
    details = {"added": [host.name for host in made][:20], "count": change.added, "removed": change.removed}
    record(actor, "hosts.declare", place.pk, site=place, details=details)
    return change


@transaction.atomic
def withdraw(actor: Actor, key: int) -> None:
    """A host need not be covered any more. Raises NotFound."""
    row = queries.declared_one(actor, key)
    record(actor, "hosts.withdraw", row.name, site=row.site, details={"mac": row.mac})
    row.delete()


def _rename(have: dict[str, Declared], wanted: dict[str, Declaration]) -> None:
    for key, row in have.items():
        host = wanted.get(key)
        if host is not None and host.name != row.name:
            row.name = host.name
            row.save(update_fields=["name"])


def _key(host: Declared | Declaration) -> str:
    return host.mac or host.name.casefold()


def _locked(actor: Actor, key: int) -> Site:
    return Site.objects.select_for_update().get(pk=visible_site(actor, key).pk)


def _name(text: str | None) -> str | None:
    cleaned = text.strip() if text is not None else None
    if cleaned and (len(cleaned) > NAME_CAP or not cleaned.isprintable()):
        raise Invalid(f"not a name: {cleaned[:60]!r}")
    return cleaned
