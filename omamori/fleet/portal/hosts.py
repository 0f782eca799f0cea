"""The page of one host: what its customer says of it, and (for the operator) that it is not the device its unit takes it for."""

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from omamori.fleet.accounts.actor import Member
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.lan import apart, customer, queries
from omamori.fleet.lan.declarations import NAME_CAP
from omamori.fleet.lan.models import Host, Ownership
from omamori.fleet.portal.access import page
from omamori.fleet.portal.cards import HostRow


class HostForm(forms.Form):
    """What the customer says of a host."""

    name = forms.CharField(label=gettext_lazy("Your name for it"), required=False, max_length=NAME_CAP)
    ownership = forms.ChoiceField(
        label=gettext_lazy("Whose is it?"),
        required=False,
        choices=[
            (Ownership.UNKNOWN, gettext_lazy("not said")),
            (Ownership.COMPANY, gettext_lazy("the company's")),
            (Ownership.PRIVATE, gettext_lazy("privately owned")),
        ],
    )


@require_http_methods(["GET", "POST"])
@page
def host(request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """Name a host and say whose it is."""
    found = queries.host(actor, key)
    form = HostForm(request.POST or None, initial={"name": found.given_name, "ownership": found.ownership})
    if request.method == "POST" and form.is_valid() and _described(actor, found, form):
        messages.success(request, _("What you said of the device is saved."))
        return redirect("hosts", found.unit_id)
    context = {
        "host": HostRow(found),
        "unit": found.unit,
        "form": form,
        "apart": queries.apart(actor, site=found.site_id).filter(Q(first=found.mac) | Q(second=found.mac)),
        "actor": actor,
    }
    return render(request, "portal/host.html", context)


def _described(actor: Member, found: Host, form: HostForm) -> bool:
    values = form.cleaned_data
    try:
        customer.describe(actor, found.pk, name=values["name"], ownership=Ownership(values["ownership"]))
    except Invalid:
        form.add_error("name", _("This name cannot be shown."))
        return False
    return True


@require_POST
@page
def part(request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """Two devices, not one."""
    try:
        apart.part(actor, key, reason=request.POST.get("reason", ""), now=timezone.now())
    except Invalid:
        messages.error(request, _("Say why: it is kept for the audit."))
    except Conflict:
        messages.info(request, _("Nothing was changed."))
    else:
        messages.success(request, _("They are two devices from now on. The unit learns it within a minute."))
    return redirect("host", key)


@require_POST
@page
def rejoin(request: HttpRequest, actor: Member, key: int) -> HttpResponse:
    """Taken back: they may be one device again."""
    pair = get_object_or_404(queries.apart(actor), pk=key)
    host = queries.hosts(actor, site=pair.site_id).filter(mac__in=(pair.first, pair.second)).first()
    try:
        apart.rejoin(actor, key, reason=request.POST.get("reason", ""))
    except Invalid:
        messages.error(request, _("Say why: it is kept for the audit."))
    else:
        messages.success(request, _("The unit may take them for one device again."))
    return redirect("host", host.pk) if host else redirect("units")
