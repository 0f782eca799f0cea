"""Detections as far as the actor may see, newest first, and the filters that pages and API share."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import within
from omamori.fleet.detections.models import Detection
from omamori.fleet.errors import NotFound
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to look for; None and empty text mean anything."""

    unit: str = ""
    site: int | None = None
    host: int | None = None
    guard: Guard | None = None
    direction: Direction | None = None
    action: Action | None = None
    severity: Severity | None = None
    """This severity or a higher one."""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    """Part of the signature, its id, the detail, a host name or an address."""


def detections(actor: Actor, wanted: Filter | None = None) -> QuerySet[Detection]:
    """Newest first."""
    wanted = wanted or Filter()
    found = Detection.objects.filter(within(actor)).select_related("unit", "host", "site__customer")
    return found.filter(_exact(wanted), _times(wanted), _text(wanted.text)).order_by("-time", "-id")


def detection(actor: Actor, key: int) -> Detection:
    """Raises NotFound."""
    found = detections(actor).filter(pk=key).first()
    if found is None:
        raise NotFound(f"no detection {key}")
    return found


def _exact(wanted: Filter) -> Q:
    pairs = {
        "unit_id": wanted.unit or None,
        "site_id": wanted.site,
        "host_id": wanted.host,
        "guard": wanted.guard,
        "direction": wanted.direction,
        "action": wanted.action,
        "severity__gte": wanted.severity,
    }
    return Q(**{name: value for name, value in pairs.items() if value is not None})


def _times(wanted: Filter) -> Q:
    bounds = {"time__gte": wanted.since, "time__lt": wanted.until}
    return Q(**{name: value for name, value in bounds.items() if value is not None})


def _text(text: str) -> Q:
    if not text:
        return Q()
    if "\x00" in text:
        return Q(pk__in=())  # nothing stored has one, and SQLite would take it for the end of the text
    columns = (
        "signature",
        "signature_id",
        "detail",
        "host_name",
        "host__given_name",
        "source_address",
        "destination_address",
        "alert",
    )
    found = Q()
    for column in columns:
        found |= Q(**{f"{column}__icontains": text[:100]})
    return found
