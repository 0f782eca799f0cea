"""Forms of the portal. A form only reads and checks what was typed; operations decide."""

from dataclasses import asdict
from datetime import date
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from omamori.fleet.portal.words import GUARDS, WEEKDAYS
from omamori.protocol import FetchingError, WindowError
from omamori.protocol.fetching import LONGEST_MIRROR, Fetching, checked
from omamori.protocol.vocabulary import Guard, Severity
from omamori.protocol.window import RebootWindow

_REGIONS = (
    "Asia",
    "Pacific",
    "Australia",
    "America",
    "Europe",
    "Africa",
    "Indian",
    "Atlantic",
    "Antarctica",
    "Arctic",
)
_RATES = (125_000, 250_000, 625_000, 1_250_000, 2_500_000)
"""Bytes a second: 1, 2, 5, 10 and 20 Mbit/s."""


def time_zones() -> list[tuple[str, list[tuple[str, str]]]]:
    """IANA time zones by region for a select, Asia first."""
    names = available_timezones()
    grouped = [(region, sorted(n for n in names if n.startswith(f"{region}/"))) for region in _REGIONS]
    return [
        *[(region, [(name, name.replace("_", " ")) for name in some]) for region, some in grouped],
        ("UTC", [("UTC", "UTC")]),
    ]


class WindowForm(forms.Form):
    """When the unit may restart. A way that is not said stays as it is."""

    way = forms.ChoiceField(
        label=_("A new version restarts the unit"),
        required=False,
        choices=[
            ("window", _("by itself, within the times below")),
            ("power-cycle", _("only when I switch it off and on")),
        ],
        widget=forms.RadioSelect,
    )

    weekdays = forms.TypedMultipleChoiceField(
        label=_("Weekdays"),
        coerce=int,
        choices=WEEKDAYS,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one weekday.")},
    )
    start = forms.TimeField(label=_("From"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    end = forms.TimeField(label=_("To"), widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    timezone = forms.ChoiceField(label=_("Time zone"), choices=time_zones)

    def clean(self) -> dict[str, Any]:
        """A window that the protocol accepts, as `window`."""
        values = super().clean() or {}
        if self.errors:
            return values
        try:
            values["window"] = RebootWindow(
                values["timezone"],
                tuple(values["weekdays"]),
                values["start"].strftime("%H:%M"),
                values["end"].strftime("%H:%M"),
            )
        except WindowError as error:
            raise forms.ValidationError(_("The end must differ from the start.")) from error
        return values


class PostponeForm(forms.Form):
    """Before which day the unit does not restart."""

    until = forms.DateField(
        label=_("No restart before"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    @classmethod
    def of(cls, first: date, last: date) -> "PostponeForm":
        """With the days that a browser's calendar offers."""
        form = cls(initial={"until": first})
        form.fields["until"].widget.attrs |= {"min": first.isoformat(), "max": last.isoformat()}
        return form


class FetchingForm(forms.Form):
    """From where and how fast updates come. A speed that is none of the list's, set by a command, stays to be chosen."""

    rate = forms.TypedChoiceField(label=_("Speed over the internet line"), coerce=int)
    mirror = forms.CharField(
        label=_("Update server in your own network"),
        required=False,
        max_length=LONGEST_MIRROR,
        widget=forms.TextInput(attrs={"type": "url", "placeholder": "http://192.168.1.5/omamori"}),
    )

    @classmethod
    def of(cls, now: Fetching, data: QueryDict | None = None) -> "FetchingForm":
        """As it is now, or as `data` would have it."""
        form = cls(data, initial=asdict(now))
        steps = sorted({*_RATES, now.rate} - {0})
        rate = cast("forms.ChoiceField", form.fields["rate"])
        rate.choices = [(0, _("no limit")), *((step, f"{step * 8 / 1e6:g} Mbit/s") for step in steps)]
        return form

    def clean(self) -> dict[str, Any]:
        """How it was chosen, as `fetching`."""
        values = super().clean() or {}
        if self.errors:
            return values
        try:
            values["fetching"] = checked(Fetching(values["rate"], values["mirror"]))
        except FetchingError as error:
            raise forms.ValidationError(
                _("This is no address of a server, such as http://192.168.1.5/omamori.")
            ) from error
        return values


class DetectionFilter(forms.Form):
    """What to look for among detections; anything unreadable means everything."""

    severity = forms.TypedChoiceField(
        label=_("Importance"),
        required=False,
        coerce=lambda text: Severity(int(text)),
        empty_value=None,
        choices=[("", _("all")), ("3", "★★★"), ("2", _("★★☆ and more")), ("1", _("★☆☆ and more"))],
    )
    guard = forms.TypedChoiceField(
        label=_("Protection"),
        required=False,
        coerce=Guard,
        empty_value=None,
        choices=[("", _("all")), *((guard, words.name) for guard, words in GUARDS.items())],
    )
    text = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=100,
        empty_value="",
        widget=forms.TextInput(attrs={"type": "search"}),
    )
