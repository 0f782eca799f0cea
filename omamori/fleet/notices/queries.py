"""Recipients, notices and letters as far as the actor may see."""

from django.db.models import QuerySet

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import within
from omamori.fleet.errors import NotFound
from omamori.fleet.notices.models import Letter, Notice, Recipient


def recipients(actor: Actor, *, site: int | None = None) -> QuerySet[Recipient]:
    """Who is told, and who was until they stopped it."""
    found = Recipient.objects.filter(within(actor)).select_related("site__customer")
    if site is not None:
        found = found.filter(site_id=site)
    return found.order_by("site", "address")


def recipient(actor: Actor, key: int) -> Recipient:
    """Raises NotFound."""
    found = recipients(actor).filter(pk=key).first()
    if found is None:
        raise NotFound(f"no recipient {key}")
    return found


def notices(actor: Actor, *, site: int | None = None) -> QuerySet[Notice]:
    """What was told, newest first."""
    found = Notice.objects.filter(within(actor)).select_related("site__customer")
    if site is not None:
        found = found.filter(site_id=site)
    return found.order_by("-day", "-pk")


def letters(actor: Actor, *, site: int | None = None) -> QuerySet[Letter]:
    """Letters with where they stand, newest first."""
    found = Letter.objects.filter(within(actor, "notice__site")).select_related("recipient", "notice__site")
    if site is not None:
        found = found.filter(notice__site=site)
    return found.order_by("-pk")
