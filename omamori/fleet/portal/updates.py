"""The page of a unit's updates: versions, what waits and for what, and everything its customer may choose about it."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from omamori.fleet.accounts.actor import Member
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.portal import words
from omamori.fleet.portal.access import unit_page
from omamori.fleet.portal.cards import unit_cards
from omamori.fleet.portal.forms import FetchingForm, PostponeForm, WindowForm
from omamori.fleet.rollouts import queries as rollouts
from omamori.fleet.rollouts.models import Release
from omamori.fleet.units import applying, operations
from omamori.fleet.units.models import Unit, Want
from omamori.protocol.errors import ProtocolError
from omamori.protocol.vocabulary import UpdatePhase
from omamori.protocol.window import is_open, next_opening
from omamori.signing import notes
from omamori.signing.errors import SigningError

_ROLLOUTS = 8


@dataclass(frozen=True, slots=True)
class Postponing:
    """The days to which the wanted firmware can be put off; none where `first` is after `last`."""

    first: date
    last: date

    @property
    def possible(self) -> bool:
        return self.first <= self.last


@require_http_methods(["GET", "POST"])
@unit_page
def unit_updates(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """Versions, what waits, and when the unit may restart, which the customer chooses here."""
    if request.method == "POST":
        form = WindowForm(request.POST)
        if form.is_valid():
            _save(request, actor, unit, form.cleaned_data)
            return redirect("updates", unit.pk)
    else:
        form = WindowForm(initial=_chosen(unit.want))
    (card,) = unit_cards(actor, [unit], now=timezone.now())
    shared = {"card": card, "unit": unit, "tab": "updates", "actor": actor, "form": form}
    return render(request, "portal/unit_updates.html", shared | _update(actor, unit))


@require_POST
@unit_page
def apply_now(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """Let a version that waits restart the unit at once."""
    if unit.update_phase == UpdatePhase.STAGED:
        operations.apply_now(actor, unit.pk)
        messages.success(request, _("The unit restarts within a minute."))
    else:
        messages.info(request, _("No update waits for a restart."))
    return redirect("updates", unit.pk)


@require_POST
@unit_page
def postpone(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """Put the announced version off to a day, or end that."""
    if "end" in request.POST:
        applying.resume(actor, unit.pk)
        messages.success(request, _("The update is not postponed any more."))
        return redirect("updates", unit.pk)
    try:
        day = _day(request)
        applying.postpone(actor, unit.pk, _midnight(day), now=timezone.now())
    except (Invalid, Conflict):
        messages.error(request, _refusal(unit))
    else:
        messages.success(request, _("The update is postponed to %(day)s.") % {"day": _said(day)})
    return redirect("updates", unit.pk)


@require_POST
@unit_page
def fetching(request: HttpRequest, actor: Member, unit: Unit) -> HttpResponse:
    """From where and how fast updates come."""
    form = FetchingForm.of(unit.want.fetching, request.POST)
    if form.is_valid():
        operations.set_fetching(actor, unit.pk, form.cleaned_data["fetching"])
        messages.success(request, _("Your choice is saved."))
    else:
        for errors in form.errors.values():
            messages.error(request, str(errors[0]))
    return redirect("updates", unit.pk)


def _refusal(unit: Unit) -> str:
    days = postponing(unit.want, timezone.now())
    if days is None or not applying.pending(unit):
        return _("No update waits for a restart.")
    if not days.possible:
        return _("This update cannot be postponed any longer.")
    return _("Choose a day from %(first)s to %(last)s.") % {
        "first": _said(days.first),
        "last": _said(days.last),
    }


def postponing(want: Want, now: datetime) -> Postponing | None:
    """To which days, in the unit's time zone; None where no firmware is wanted."""
    latest = applying.limit(want)
    if latest is None:
        return None
    return Postponing(timezone.localdate(now) + timedelta(days=1), timezone.localdate(latest))


def _day(request: HttpRequest) -> date:
    """Raises Invalid."""
    form = PostponeForm(request.POST)
    if not form.is_valid():
        raise Invalid("not a day")
    day: date = form.cleaned_data["until"]
    return day


def _midnight(day: date) -> datetime:
    """The beginning of that day where the unit stands. Raises Invalid for a day at the end of the calendar."""
    try:
        return timezone.make_aware(datetime.combine(day, time()))
    except OverflowError as error:
        raise Invalid("not a day") from error


def _said(day: date) -> str:
    return date_format(day, "Y-m-d (D)")


def _save(request: HttpRequest, actor: Member, unit: Unit, chosen: dict[str, Any]) -> None:
    operations.set_window(actor, unit.pk, chosen["window"])
    way = chosen["way"]
    if way and (way == "power-cycle") is not unit.want.at_power_cycle:
        applying.choose_way(actor, unit.pk, at_power_cycle=way == "power-cycle")
        messages.success(request, _("Your choice is saved."))
    else:
        messages.success(request, _("The restart window is saved."))


def _chosen(want: Want) -> dict[str, Any]:
    window = {"weekdays": want.weekdays, "start": want.start, "end": want.end, "timezone": want.timezone}
    return window | {"way": "power-cycle" if want.at_power_cycle else "window"}


def changes(release: Release | None) -> list[str]:
    """What a release changes, how urgent it is, what it costs and mends, in the reader's language; as it was signed."""
    if release is None:
        return []
    try:
        said = notes.parse(release.about)
    except (SigningError, ProtocolError):
        return [release.notes] if release.notes else []
    return notes.lines(said, "ja" if str(get_language()).startswith("ja") else "en")


def _update(actor: Member, unit: Unit) -> dict[str, Any]:
    now, window = timezone.now(), unit.want.window
    opens, closes = next_opening(window, now)
    days = postponing(unit.want, now)
    members = rollouts.members(actor, unit=unit.pk)[:_ROLLOUTS]
    return {
        "phase": words.words(words.PHASES, unit.update_phase),
        "staged": unit.update_phase == UpdatePhase.STAGED,
        "failed": unit.update_phase == UpdatePhase.FAILED,
        "pending": applying.pending(unit),
        "waits_for": applying.waits_for(unit.want, now),
        "days": days,
        "fetching_form": FetchingForm.of(unit.want.fetching),
        "postpone_form": PostponeForm.of(days.first, days.last) if days else None,
        "opens": opens,
        "closes": closes,
        "open_now": is_open(window, now),
        "changes": changes(rollouts.announced(unit.want.firmware)),
        "members": [
            (
                row,
                words.KINDS.get(row.rollout.release.kind, ""),
                words.OUTCOMES.get(row.outcome, row.outcome),
                changes(row.rollout.release),
            )
            for row in members
        ],
    }
