"""The page of messages about a site's hosts: what was told, who gets it, and the way out that every letter names."""

from collections.abc import Iterable
from typing import Final

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from omamori.fleet.accounts.actor import Member
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.notices import operations, queries
from omamori.fleet.notices.models import Letter, Notice
from omamori.fleet.notices.news import What
from omamori.fleet.portal.access import page
from omamori.fleet.portal.words import Text

WHAT: Final[dict[str, Text]] = {
    What.WRONG_SIDE: gettext_lazy("not protected: on the router's side"),
    What.NEW: gettext_lazy("new"),
    What.VANISHED: gettext_lazy("not seen for a week"),
    What.SUPPORT: gettext_lazy("support looked at the unit"),
}
_SHOWN: Final = 30


class RecipientForm(forms.Form):
    """A mail address and the language it is written to in."""

    address = forms.EmailField(label=gettext_lazy("Mail address"), max_length=254)
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), choices=[("ja", "日本語"), ("en", "English")]
    )


@require_http_methods(["GET", "POST"])
@page
def site_notices(request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """What was told of late, and who gets it."""
    site = visible_site(actor, key)
    form = RecipientForm(request.POST or None, initial={"language": translation.get_language()})
    if request.method == "POST" and form.is_valid() and _added(actor, key, form):
        messages.success(request, _("This address gets the messages from now on."))
        return redirect("notices", key)
    with timezone.override(operations.zone_of(site)):
        context = {
            "site": site,
            "notices": _told(queries.notices(actor, site=key)[:_SHOWN]),
            "letters": [(row, _stands(row)) for row in queries.letters(actor, site=key)[:_SHOWN]],
            "recipients": queries.recipients(actor, site=key).filter(stopped__isnull=True),
            "form": form,
            "actor": actor,
        }
        return render(request, "portal/notices.html", context)


def _told(rows: Iterable[Notice]) -> list[tuple[Notice, list[tuple[Text, dict[str, str]]]]]:
    return [(row, [(WHAT.get(each["what"], each["what"]), each) for each in row.news]) for row in rows]


def _stands(letter: Letter) -> str:
    if letter.sent:
        return _("sent")
    return _("waiting") if letter.again else _("not sent")


def _added(actor: Member, key: int, form: RecipientForm) -> bool:
    values = form.cleaned_data
    try:
        operations.add(actor, key, values["address"], language=values["language"])
    except (Invalid, Conflict):
        form.add_error("address", _("This address cannot be added."))
        return False
    return True


@require_POST
@page
def remove(request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """Tell this address no more."""
    site = queries.recipient(actor, key).site_id
    operations.remove(actor, key)
    messages.success(request, _("This address gets no more messages."))
    return redirect("notices", site)


@csrf_exempt  # RFC 8058: mail programs post here; the key in the address is the permission
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, key: str) -> HttpResponse:
    """The way out that needs no sign-in: a look changes nothing, the button does."""
    done = request.method == "POST"
    if done and operations.opt_out(key) is None:
        raise Http404
    return render(request, "portal/notices_stop.html", {"done": done})
