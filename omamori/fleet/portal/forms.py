"""Forms of the portal. A form only reads and checks what was typed; operations decide."""

from datetime import date
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from omamori.fleet.portal.words import GUARDS, WEEKDAYS
from omamori.protocol import WindowError
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
