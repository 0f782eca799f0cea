"""Units and what is wanted of them, as far as the actor may see."""

from datetime import datetime

from django.db.models import QuerySet

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import within
from omamori.fleet.errors import NotFound
from omamori.fleet.units.models import Revoked, Unit
from omamori.fleet.units.models import Want as WantRow
from omamori.protocol.fetching import Fetching
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Want
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import ApplyWhen


def units(actor: Actor) -> QuerySet[Unit]:
    """The units the actor may see, with site, customer, reseller and want, by id."""
    return (
        Unit.objects.filter(within(actor)).select_related("site__customer__reseller", "want").order_by("id")
    )


def unit(actor: Actor, key: str) -> Unit:
    """Raises NotFound."""
    found = units(actor).filter(pk=key).first()
    if found is None:
        raise NotFound(f"no unit {key[:60]!r}")
    return found


def holder(key: str, serial: str) -> Unit | None:
    """The activated unit whose present certificate has this serial number (hex); None for any other certificate."""
    return Unit.objects.filter(pk=key, serial=serial, activated__isnull=False).exclude(serial="").first()


def revoked() -> list[tuple[int, datetime]]:
    """Certificates that count no longer: serial number, since when; always in the same order."""
    rows = Revoked.objects.order_by("serial").values_list("serial", "since")
    return [(int(serial, 16), since) for serial, since in rows]


def want(key: UnitId) -> Want:
    """The document a unit fetches. Raises NotFound."""
    row = WantRow.objects.filter(pk=key).first()
    if row is None:
        raise NotFound(f"nothing is wanted of {key!r}")
    return Want(
        generation=row.generation,
        firmware=Version.parse(row.firmware) if row.firmware else None,
        pack=Version.parse(row.pack) if row.pack else None,
        window=row.window,
        apply=ApplyWhen(row.apply),
        postponed_until=row.postponed_until,
        deadline=row.deadline,
        at_power_cycle=row.at_power_cycle,
        fetching=row.fetching if row.fetching != Fetching() else None,
    )
