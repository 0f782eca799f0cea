"""The page of what the devices used: days as bars, kinds, applications and devices as tables, and the export."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from omamori.fleet.accounts.actor import Member
from omamori.fleet.api.downloads import spreadsheet
from omamori.fleet.portal.access import unit_page
from omamori.fleet.portal.cards import unit_cards
from omamori.fleet.units.models import Unit
from omamori.fleet.usage import queries
from omamori.fleet.usage.queries import By, Filter

SPANS: Final = (7, 30, 90)
"""Days that can be looked at."""
_ROWS: Final = 20
_BAR: Final = 100
"""Height of the tallest day, in the drawing's units."""
CATEGORIES: Final[dict[str, str | Promise]] = {
    "": _("without a name"),
    "file-sharing": _("file sharing"),
    "messenger": _("messengers"),
    "social-media": _("social media"),
    "video": _("video"),
    "games": _("games"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the drawing."""

    day: date
    total: int
    left: int
    height: int

    @property
    def top(self) -> int:
        return _BAR - self.height


@require_GET
@unit_page
def unit_usage(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """Sums of the last days, the largest first."""
    days = _span(request)
    wanted = _wanted(request, unit, days)
    (card,) = unit_cards(actor, [unit], now=timezone.now())
    context = {
        "bars": bars(queries.sums(actor, wanted, By.DAY), days, timezone.localdate()),
        "width": days * 10,
        "categories": [_named(row) for row in queries.sums(actor, wanted, By.CATEGORY)[:_ROWS]],
        "applications": [_named(row) for row in queries.sums(actor, wanted, By.APPLICATION)[:_ROWS]],
        "hosts": [queries.plain(row) for row in queries.sums(actor, wanted, By.HOST)[:_ROWS]],
        "days": days,
        "spans": SPANS,
        "category": wanted.category,
        "category_name": CATEGORIES.get(wanted.category, wanted.category),
        "card": card,
        "unit": unit,
        "tab": "usage",
        "actor": actor,
    }
    return render(request, "portal/unit_usage.html", context)


@require_GET
@unit_page
def export(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """The daily rows behind the page, for spreadsheets."""
    rows = queries.exported(actor, _wanted(request, unit, _span(request)))
    return spreadsheet(f"usage-{unit.pk}", queries.COLUMNS, rows)


def bars(sums: Any, days: int, today: date) -> list[Bar]:  # noqa: ANN401 - rows of a values() query
    """Each day of the span, those without traffic too, oldest first."""
    totals = {row["day"]: row["total_sent"] + row["total_received"] for row in sums}
    most = max(totals.values(), default=0) or 1
    span = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    return [
        Bar(day, totals.get(day, 0), 10 * place, -(-_BAR * totals.get(day, 0) // most))
        for place, day in enumerate(span)
    ]


def _named(row: dict[str, Any]) -> dict[str, Any]:
    category = row["category"]
    return queries.plain(row) | {"category_name": CATEGORIES.get(category, category)}


def _span(request: HttpRequest) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked in map(str, SPANS) else 30


def _wanted(request: HttpRequest, unit: Unit, days: int) -> Filter:
    since = timezone.localdate() - timedelta(days=days - 1)
    return Filter(unit=unit.pk, since=since, category=request.GET.get("category", "")[:60])
