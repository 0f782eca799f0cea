"""The way into every page: signed in, acting for a tenant, and nobody learns that another's unit exists.

A refusal of the rooms becomes the page it means: not found 404, not allowed 403.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from omamori.fleet.accounts.actor import Member, actor_of
from omamori.fleet.errors import NotAllowed, NotFound
from omamori.fleet.units import queries
from omamori.fleet.units.models import Unit
from omamori.protocol import WindowError
from omamori.protocol.window import zone

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(view: Callable[Concatenate[HttpRequest, Member, P], HttpResponse]) -> Page[P]:
    """A view that gets the actor after the request."""

    @login_required
    def entered(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, actor_of(request.user), *args, **kwargs)
        except NotFound as error:
            raise Http404 from error
        except NotAllowed as error:
            raise PermissionDenied from error

    return entered


def unit_page(view: Callable[[HttpRequest, Member, Unit], HttpResponse]) -> Page[[str]]:
    """A page about one unit the actor may see; its times are shown in the time zone its owner chose."""

    def opened(request: HttpRequest, actor: Member, key: str) -> HttpResponse:
        unit = queries.unit(actor, key)
        with timezone.override(_zone_of(unit)):
            return view(request, actor, unit)

    return page(opened)


def _zone_of(unit: Unit) -> str:
    try:
        zone(unit.want.timezone)
    except WindowError:
        return timezone.get_default_timezone_name()
    return unit.want.timezone
