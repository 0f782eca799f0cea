"""The pages of what is covered: a site's report with the list of hosts that ought to be, and what a customer says of one host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from omamori.fleet.accounts.actor import Member
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.api.coverage import days_table, table
from omamori.fleet.errors import Conflict
from omamori.fleet.lan import customer, history, queries
from omamori.fleet.lan.coverage import Report, Row, State, document, report
from omamori.fleet.lan.declarations import BYTES_CAP, Fault, Unreadable, Wrong, read
from omamori.fleet.portal.access import page
from omamori.fleet.portal.chart import FILLS, chart
from omamori.fleet.portal.words import DEVICES, Text, Words

STATES: Final[dict[str, Words]] = {
    State.WRONG_SIDE: Words(
        gettext_lazy("on the wrong side"),
        gettext_lazy("It is on the router's side of the unit. Plug it in behind the unit."),
    ),
    State.NEVER_SEEN: Words(
        gettext_lazy("never seen"),
        gettext_lazy("It was declared, but no unit heard it. Is it switched on and connected?"),
    ),
    State.GONE: Words(gettext_lazy("not seen lately"), gettext_lazy("No unit heard it in the last 30 days.")),
    State.COVERED: Words(
        gettext_lazy("covered"), gettext_lazy("It is behind a unit: its traffic is inspected.")
    ),
    State.PRIVATE: Words(
        gettext_lazy("private"), gettext_lazy("It is privately owned and not part of the insurance.")
    ),
}
_SPAN: Final = 90
"""Days of the chart."""
_LEVELS: Final[dict[str, str]] = {State.WRONG_SIDE: "warning", State.COVERED: "good"}
FAULTS: Final[dict[Wrong, Text]] = {
    Wrong.TOO_BIG: gettext_lazy("The list is larger than 64 KB."),
    Wrong.TOO_LONG: gettext_lazy("The list has more than 1000 lines."),
    Wrong.NO_TEXT: gettext_lazy("This is no text. Save the list as CSV (UTF-8)."),
    Wrong.EMPTY: gettext_lazy("There is no device in the list."),
    Wrong.BAD_QUOTES: gettext_lazy("The quotes do not end."),
    Wrong.NO_NAME: gettext_lazy("There is no name."),
    Wrong.BAD_NAME: gettext_lazy("The name is too long or cannot be shown."),
    Wrong.BAD_MAC: gettext_lazy("This is no MAC address."),
    Wrong.TWICE: gettext_lazy("This device is in the list already."),
}
"""What is wrong with a list, in the reader's language."""


class ListForm(forms.Form):
    """A list typed, or as a file; reading it is another's work."""

    typed = forms.CharField(
        label=gettext_lazy("One device a line: name, MAC address if you know it"),
        required=False,
        strip=False,
        max_length=BYTES_CAP,
        widget=forms.Textarea(attrs={"rows": 5, "placeholder": "reception-pc, 02:00:00:00:00:0a"}),
    )
    upload = forms.FileField(
        label=gettext_lazy("or a CSV file with the same columns"), required=False, allow_empty_file=True
    )

    def raw(self) -> bytes:
        """The file where there is one, else what was typed; never more than a byte above the cap."""
        upload = self.cleaned_data.get("upload")
        if isinstance(upload, UploadedFile):
            return bytes(upload.read(BYTES_CAP + 1))
        return str(self.cleaned_data.get("typed", "")).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """A device of the report in words."""

    row: Row

    @property
    def state(self) -> Words:
        return STATES[self.row.state]

    @property
    def level(self) -> str:
        return _LEVELS.get(self.row.state, "")

    @property
    def kind(self) -> Text:
        return DEVICES.get(self.row.kind, self.row.kind)


@require_http_methods(["GET", "POST"])
@page
def site_coverage(request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """The report, and the form that declares what ought to be in it."""
    found = report(actor, key, now=timezone.now())
    if request.method != "POST":
        return _shown(request, actor, found, ListForm(), ())
    form = ListForm(request.POST, request.FILES)
    faults = _declared(request, actor, key, form)
    return _shown(request, actor, found, form, faults) if faults else redirect("coverage", key)


def _declared(request: HttpRequest, actor: Member, key: int, form: ListForm) -> Sequence[str]:
    """Take the list in; gives what is wrong with it instead."""
    if not form.is_valid():
        too_big = len(request.POST.get("typed", "")) > BYTES_CAP
        return [str(FAULTS[Wrong.TOO_BIG if too_big else Wrong.NO_TEXT])]
    try:
        change = customer.declare(actor, key, read(form.raw()))
    except Unreadable as error:
        return [_told(fault) for fault in error.faults]
    except Conflict:
        return [_("A site can declare %(count)d devices.") % {"count": customer.DECLARED_CAP}]
    messages.success(request, _("%(count)d devices were added to the list.") % {"count": change.added})
    return ()


def _told(fault: Fault) -> str:
    place = _("Line %(line)d: ") % {"line": fault.line} if fault.line else ""
    return place + str(FAULTS[fault.wrong]) + (f" “{fault.text}”" if fault.text else "")


def _shown(
    request: HttpRequest, actor: Member, found: Report, form: ListForm, faults: Sequence[str]
) -> HttpResponse:
    context = {
        "site": found.site,
        "counts": [(STATES[state].name, found.counts[state], _LEVELS.get(state, "")) for state in State],
        "rows": [CoverageRow(row) for row in found.rows],
        "declared": queries.declared(actor, found.site.pk),
        "chart": chart(_history(actor, found.site.pk), span=_SPAN, today=timezone.localdate(found.at)),
        "legend": [(STATES[state].name, fill) for state, fill in FILLS.items()],
        "span": _SPAN,
        "form": form,
        "faults": faults,
        "actor": actor,
    }
    return render(request, "portal/coverage.html", context)


@require_GET
@page
def coverage_table(_request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """The report for spreadsheets."""
    return table(report(actor, key, now=timezone.now()))


@require_GET
@page
def history_table(_request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """A year of days for spreadsheets."""
    return days_table(key, _history(actor, key, days=history.LONGEST))


@require_GET
@page
def history_document(_request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """A year of days for programs."""
    days = _history(actor, key, days=history.LONGEST)
    found = history.document(visible_site(actor, key), days)
    return JsonResponse(found, json_dumps_params={"ensure_ascii": False, "indent": 1})


def _history(actor: Member, key: int, *, days: int = _SPAN) -> list[history.Day]:
    return history.history(actor, key, days=days, now=timezone.now())


@require_GET
@page
def coverage_document(_request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """The report for programs."""
    found = document(report(actor, key, now=timezone.now()))
    return JsonResponse(found, json_dumps_params={"ensure_ascii": False, "indent": 1})


@require_POST
@page
def withdraw(request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """Take a host off the list."""
    site = queries.declared_one(actor, key).site_id
    customer.withdraw(actor, key)
    messages.success(request, _("The device is off the list."))
    return redirect("coverage", site)
