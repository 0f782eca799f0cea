"""What units logged, as far as the actor may see."""

from django.db.models import QuerySet

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.queries import within
from omamori.fleet.ingest.models import LogLine


def log(actor: Actor, *, unit: str = "") -> QuerySet[LogLine]:
    """Newest first."""
    found = LogLine.objects.filter(within(actor)).order_by("-received", "-id")
    return found.filter(unit_id=unit) if unit else found
