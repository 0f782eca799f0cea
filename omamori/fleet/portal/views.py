"""The pages. Each asks the rooms' queries for what the actor may see, and fills a template."""

from datetime import timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from omamori.fleet.accounts.actor import Member
from omamori.fleet.detections import queries as detections
from omamori.fleet.lan import queries as lan
from omamori.fleet.portal import reasons
from omamori.fleet.portal.access import page, unit_page
from omamori.fleet.portal.cards import DetectionRow, FindingRow, HostRow, UnitCard, unit_cards
from omamori.fleet.portal.forms import DetectionFilter
from omamori.fleet.units import queries as units
from omamori.fleet.units.models import Unit
from omamori.protocol.vocabulary import Action, Side, WiringCode

UNITS_A_PAGE = 30
ROWS_A_PAGE = 50
_LATELY = timedelta(days=30)


@require_GET
@page
def unit_list(request: HttpRequest, actor: Member) -> HttpResponse:
    """Every unit the actor may see, with what matters first."""
    text = request.GET.get("q", "").strip()[:80]
    seen = units.units(actor)
    shown = _cut(request, _search(seen, text), UNITS_A_PAGE)
    cards = unit_cards(actor, shown.object_list, now=timezone.now())
    faulty = lan.wiring(actor).exclude(findings__code=WiringCode.OK)
    counts = {
        "total": seen.count(),
        "online": seen.filter(online=True).count(),
        "miswired": faulty.filter(unit__activated__isnull=False).count(),
    }
    context = {"cards": cards, "shown": shown, "text": text, "counts": counts, "actor": actor}
    return render(request, "portal/units.html", context)


def _search(seen: QuerySet[Unit], text: str) -> QuerySet[Unit]:
    if not text:
        return seen
    found = Q(id__icontains=text) | Q(name__icontains=text) | Q(site__name__icontains=text)
    return seen.filter(found | Q(site__customer__name__icontains=text))


@require_GET
@unit_page
def unit(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """One unit at a glance."""
    since = timezone.now() - _LATELY
    lately = detections.detections(actor, detections.Filter(unit=unit.pk, since=since))
    hosts = lan.hosts(actor, unit=unit.pk)
    context = {
        "detections": [
            DetectionRow(row) for row in detections.detections(actor, detections.Filter(unit=unit.pk))[:5]
        ],
        "stopped": lately.exclude(action=Action.LOGGED).count(),
        "recorded": lately.filter(action=Action.LOGGED).count(),
        "behind": hosts.filter(side=Side.BEHIND).count(),
        "elsewhere": hosts.filter(side=Side.ROUTER).count(),
        "counted": reasons.told(unit),
    }
    return _unit_page(request, actor, unit, "unit", context)


@require_GET
@unit_page
def unit_detections(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """What the guards saw and did, newest first."""
    form = DetectionFilter(request.GET or None)
    chosen = form.cleaned_data if form.is_valid() else {}
    found = detections.detections(actor, detections.Filter(unit=unit.pk, **chosen))
    shown = _cut(request, found, ROWS_A_PAGE)
    rows = [DetectionRow(row) for row in shown.object_list]
    context = {"form": form, "shown": shown, "rows": rows, "filtered": any(chosen.values())}
    return _unit_page(request, actor, unit, "detections", context)


@require_GET
@unit_page
def unit_hosts(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """Which devices the unit protects, and which it only hears."""
    found = lan.hosts(actor, unit=unit.pk)
    shown = _cut(request, found.order_by("side", "-last_seen", "mac"), ROWS_A_PAGE)
    context = {
        "shown": shown,
        "rows": [HostRow(row) for row in shown.object_list],
        "behind": found.filter(side=Side.BEHIND).count(),
        "elsewhere": found.filter(side=Side.ROUTER).count(),
    }
    return _unit_page(request, actor, unit, "hosts", context)


@require_GET
@unit_page
def unit_wiring(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """Whether the unit is plugged in right, and what to do if not."""
    present = lan.wiring(actor, unit=unit.pk).first()
    findings = [FindingRow(row) for row in present.findings.all()] if present else []
    history = lan.wiring(actor, unit=unit.pk, current=False)[:10]
    earlier = [(row.time, [FindingRow(found) for found in row.findings.all()]) for row in history]
    context = {"present": present, "findings": findings, "earlier": earlier}
    return _unit_page(request, actor, unit, "wiring", context)


def _unit_page(
    request: HttpRequest, actor: Member, unit: Unit, name: str, context: dict[str, Any]
) -> HttpResponse:
    (card,) = unit_cards(actor, [unit], now=timezone.now())
    shared: dict[str, UnitCard | Unit | str | Member] = {
        "card": card,
        "unit": unit,
        "tab": name,
        "actor": actor,
    }
    return render(
        request, f"portal/unit_{name}.html" if name != "unit" else "portal/unit.html", context | shared
    )


def _cut(request: HttpRequest, rows: QuerySet[Any], size: int) -> Page[Any]:
    """The page asked for; the nearest one where it does not exist."""
    return Paginator(rows, size).get_page(request.GET.get("page"))
