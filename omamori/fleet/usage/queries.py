"""Usage as far as the actor may see: rows, and sums by day, host, application or category."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from django.db.models import Q, QuerySet, Sum

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import within
from omamori.fleet.usage.models import Usage

COLUMNS = (
    "day", "unit", "site", "address", "host_mac", "host_name", "application", "category",
    "flows", "sent", "received", "blocked",
)  # fmt: skip
"""Of an export, in order."""


class By(StrEnum):
    """What sums can be grouped by."""

    DAY = "day"
    CATEGORY = "category"
    APPLICATION = "application"
    HOST = "host"


_GROUPS: dict[By, tuple[str, ...]] = {
    By.DAY: ("day",),
    By.CATEGORY: ("category",),
    By.APPLICATION: ("application", "category"),
    By.HOST: ("host_mac", "address", "host_name"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to look for; None and empty text mean anything."""

    unit: str = ""
    site: int | None = None
    since: date | None = None
    until: date | None = None
    """This day and those before it."""
    category: str = ""
    application: str = ""
    host: str = ""
    """A MAC address or an address."""


def usage(actor: Actor, wanted: Filter | None = None) -> QuerySet[Usage]:
    """Newest day first."""
    wanted = wanted or Filter()
    pairs = {
        "unit_id": wanted.unit or None,
        "site_id": wanted.site,
        "day__gte": wanted.since,
        "day__lte": wanted.until,
        "category": wanted.category or None,
        "application": wanted.application or None,
    }
    found = Q(**{name: value for name, value in pairs.items() if value is not None})
    if wanted.host:
        found &= Q(host_mac=wanted.host) | Q(address=wanted.host)
    return Usage.objects.filter(within(actor), _storable(wanted) & found).order_by("-day", "-received", "pk")


def sums(actor: Actor, wanted: Filter, *groups: By) -> QuerySet[Usage, dict[str, Any]]:
    """Dictionaries with the groups' columns and the four counts; the largest first, days newest first."""
    columns = [column for group in groups for column in _GROUPS[group]]
    order = ["-day"] if By.DAY in groups else []
    rows = usage(actor, wanted).order_by().values(*columns)
    summed: QuerySet[Usage, dict[str, Any]] = rows.annotate(
        total_flows=Sum("flows"),
        total_sent=Sum("sent"),
        total_received=Sum("received"),
        total_blocked=Sum("blocked"),
    )
    return summed.order_by(*order, "-total_received", *columns)  # type: ignore[misc] # annotated just above


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `sums` with the counts under their own names."""
    return {name.removeprefix("total_"): value for name, value in row.items()}


def exported(actor: Actor, wanted: Filter) -> Iterator[dict[str, str | int]]:
    """Every matching row by `COLUMNS`, streamed."""
    for row in usage(actor, wanted).select_related("site").iterator(chunk_size=500):
        values = (row.unit_id if name == "unit" else getattr(row, name) for name in COLUMNS)
        yield {
            name: value if isinstance(value, int) else str(value)
            for name, value in zip(COLUMNS, values, strict=True)
        }


def _storable(wanted: Filter) -> Q:
    """Nothing stored has a NUL, and databases differ in what they make of one."""
    texts = (wanted.unit, wanted.category, wanted.application, wanted.host)
    return Q(pk__in=()) if any("\x00" in text for text in texts) else Q()
