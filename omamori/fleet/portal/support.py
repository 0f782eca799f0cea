"""The page of helpers on a unit: who is or was there, from when until when, and why; the customer ends or refuses it here."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from omamori.fleet.accounts.actor import Member
from omamori.fleet.errors import Conflict
from omamori.fleet.portal.access import unit_page
from omamori.fleet.portal.cards import unit_cards
from omamori.fleet.support import operations, queries
from omamori.fleet.units.models import Unit

_SHOWN = 50


@require_GET
@unit_page
def unit_support(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """Who was here; newest first."""
    now = timezone.now()
    (card,) = unit_cards(actor, [unit], now=now)
    context = {
        "card": card,
        "unit": unit,
        "tab": "support",
        "actor": actor,
        "now": now,
        "refusal": queries.refused(unit),
        "call": queries.live(unit.pk, now),
        "visits": queries.of_unit(actor, unit.pk)[:_SHOWN],
    }
    return render(request, "portal/unit_support.html", context)


@require_POST
@unit_page
def choose(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """End what is open, refuse all of it, or allow it again."""
    if "refuse" in request.POST:
        operations.refuse(actor, unit.pk, now=timezone.now())
        messages.success(request, _("Nobody can be let onto the unit any more."))
    elif "allow" in request.POST:
        operations.allow(actor, unit.pk)
        messages.success(request, _("Support is allowed again."))
    else:
        _end(request, actor, unit)
    return redirect("support", unit.pk)


def _end(request: HttpRequest, actor: Member, unit: Unit) -> None:
    try:
        operations.end(actor, unit.pk, now=timezone.now())
    except Conflict:
        messages.info(request, _("Nobody is asked onto the unit."))
    else:
        messages.success(request, _("The unit closes within a minute."))
