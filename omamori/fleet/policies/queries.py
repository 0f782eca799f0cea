"""Exceptions and policies as far as the actor may see, and the policy that a unit is to obey."""

from datetime import datetime

from django.db.models import F, Q, QuerySet

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import within
from omamori.fleet.errors import NotFound
from omamori.fleet.policies.models import Exemption, Standing
from omamori.fleet.units.models import Unit, Want
from omamori.protocol import policy as wire
from omamori.protocol.ids import Mac


def exemptions(
    actor: Actor, *, unit: str = "", site: int | None = None, active_at: datetime | None = None
) -> QuerySet[Exemption]:
    """Newest first. `unit` also finds those of its whole site; `active_at` only those that hold then."""
    found = Exemption.objects.filter(within(actor)).select_related("unit", "site__customer")
    if unit:
        here = Unit.objects.filter(pk=unit).values("site")
        found = found.filter(Q(unit=unit) | Q(unit__isnull=True, site__in=here))
    if site is not None:
        found = found.filter(site=site)
    return found.filter(_active(active_at)) if active_at else found


def exemption(actor: Actor, key: int) -> Exemption:
    """Raises NotFound."""
    found = exemptions(actor).filter(pk=key).first()
    if found is None:
        raise NotFound(f"no exception {key}")
    return found


def waiting(row: Exemption) -> int:
    """Units it is for that have not fetched what is wanted of them now: there it may not hold, or not have ended, yet."""
    units = Want.objects.filter(unit__site=row.site_id, generation__gt=F("taken"))
    return (units.filter(unit=row.unit_id) if row.unit_id else units).count()


def policy_of(unit: Unit, *, now: datetime) -> wire.Policy:
    """All that holds for this unit where it stands: its site's and its own."""
    scope = Q(site=unit.site_id) & (Q(unit=unit) | Q(unit__isnull=True))
    rows = Exemption.objects.filter(scope & _active(now)).order_by("until", "id")[: wire.MAX_EXEMPTIONS]
    standing = sorted(Standing.objects.filter(scope), key=lambda row: row.unit_id is not None)
    changes: dict[str, str] = {}
    for row in standing:
        changes |= row.changes
    categories = {name for row in standing for name in row.blocked_categories}
    days = [row.trial_days for row in standing if row.trial_days is not None]
    return wire.Policy(
        tuple(_exemption(row) for row in rows),
        tuple(sorted(categories))[: wire.MAX_CATEGORIES],
        tuple(wire.Change(*item) for item in sorted(changes.items()))[: wire.MAX_CHANGES],
        days[-1] if days else 0,
    )


def _active(now: datetime) -> Q:
    return Q(until__gt=now, ended__isnull=True)


def _exemption(row: Exemption) -> wire.Exemption:
    host = Mac(row.host) if row.host else None
    return wire.Exemption(row.pk, row.until, host, row.rule, row.destination)
