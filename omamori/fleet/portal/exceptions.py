"""The page of exceptions: what is let through where, until when, by whose word and why. Changed by the command line and the API."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from omamori.fleet.accounts.actor import Member
from omamori.fleet.policies import queries
from omamori.fleet.portal.access import page

_ROWS_A_PAGE = 50


@require_GET
@page
def exception_list(request: HttpRequest, actor: Member) -> HttpResponse:
    """Those at the actor's sites: what holds now, or with `?all=1` everything, newest first."""
    now, everything = timezone.now(), bool(request.GET.get("all"))
    found = queries.exemptions(actor, active_at=None if everything else now)
    shown = Paginator(found, _ROWS_A_PAGE).get_page(request.GET.get("page"))
    rows = [(row, row.active(now)) for row in shown.object_list]
    context = {"rows": rows, "shown": shown, "everything": everything, "actor": actor}
    return render(request, "portal/exceptions.html", context)
