"""The coverage of each site day by day: one row a day, taken once, never altered, so that an insurer can trust what it says.

A day is one of the fleet's time zone. A site is counted from the day its first unit is activated.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from omamori.fleet.accounts.actor import Actor, System
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.accounts.queries import within
from omamori.fleet.lan.coverage import State, report
from omamori.fleet.lan.models import CoverageDay

COUNTS: Final = tuple(state.value for state in State)
"""What of a day is counted by state, under the states' own names."""
COLUMNS: Final = ("day", "taken", *COUNTS, "declared", "share")
"""Of a history, in order. `share` is how much of what ought to be covered is, in percent; empty where nothing ought to be."""
LONGEST: Final = 400
"""Days that can be asked for."""


@dataclass(frozen=True, slots=True)
class Day:
    """A site on one day."""

    day: date
    taken: datetime
    counts: dict[str, int]
    declared: int

    @property
    def share(self) -> int | None:
        """Covered of all that are there or ought to be, private ones aside, in percent."""
        wanted = sum(self.counts[state] for state in (State.COVERED, State.WRONG_SIDE, State.NEVER_SEEN))
        return round(100 * self.counts[State.COVERED] / wanted) if wanted else None


def snapshot(*, now: datetime) -> int:
    """Take the day of every site that has none yet; gives how many. May be called as often as one likes."""
    day = timezone.localdate(now)
    due = Site.objects.filter(units__activated__isnull=False).exclude(coverage_days__day=day).distinct()
    return sum(_take(site, day, now) for site in due.order_by("pk"))


@transaction.atomic
def _take(site: Site, day: date, now: datetime) -> int:
    counts = report(System("coverage"), site.pk, now=now).counts
    values = {state.replace("-", "_"): counts[state] for state in COUNTS} | {"declared": counts["declared"]}
    _, made = CoverageDay.objects.get_or_create(site=site, day=day, defaults=values | {"taken": now})
    return int(made)


def history(actor: Actor, site: int, *, days: int = 90, now: datetime) -> list[Day]:
    """The last so many days that were taken, oldest first. Raises NotFound."""
    place = visible_site(actor, site)
    first = timezone.localdate(now) - timedelta(days=min(max(days, 1), LONGEST) - 1)
    rows = CoverageDay.objects.filter(within(actor), site=place, day__gte=first).order_by("day")
    return [_day(row) for row in rows]


def plain(found: Day) -> dict[str, str | int]:
    """A day for programs and spreadsheets."""
    share = "" if found.share is None else found.share
    taken = found.taken.isoformat().replace("+00:00", "Z")
    return {
        "day": found.day.isoformat(),
        "taken": taken,
        **found.counts,
        "declared": found.declared,
        "share": share,
    }


def document(site: Site, days: Iterable[Day]) -> dict[str, object]:
    """A history as one JSON object."""
    return {
        "site": site.pk,
        "name": site.name,
        "customer": site.customer.name,
        "days": [plain(day) for day in days],
    }


def _day(row: CoverageDay) -> Day:
    counts = {state: getattr(row, state.replace("-", "_")) for state in COUNTS}
    return Day(row.day, row.taken, counts, row.declared)
