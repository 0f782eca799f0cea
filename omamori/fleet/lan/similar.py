"""How many hosts sites of the same business and about the same size cover: a comparison that names nobody.

Counts are those of each site's newest counted day. The comparison reaches over tenants; it gives a number, and only where there are
enough sites that the number tells nothing about one of them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from django.utils import timezone

from omamori.fleet.accounts.models import Site
from omamori.fleet.lan.models import CoverageDay

LEAST: Final = 5
"""Other sites; fewer are no comparison."""
FRESH: Final = timedelta(days=3)
FACTOR: Final = 2
"""Half to twice the staff is about the same size."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One site among its like."""

    covered: int
    middle: float
    """The middle one of the others."""
    others: int


def compare(site: Site, *, now: datetime) -> Comparison | None:
    """None where the site's business or staff is not known, nothing was counted lately, or too few are like it."""
    if not site.business or not site.staff:
        return None
    days = CoverageDay.objects.filter(
        day__gte=timezone.localdate(now - FRESH),
        site__business=site.business,
        site__staff__gte=site.staff / FACTOR,
        site__staff__lte=site.staff * FACTOR,
    )
    newest = dict(days.order_by("day").values_list("site_id", "covered"))
    mine = newest.pop(site.pk, None)
    if mine is None or len(newest) < LEAST:
        return None
    return Comparison(mine, median(newest.values()), len(newest))
