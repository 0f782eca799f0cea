"""The API object: authentication, and the one translation of refusals into status codes."""

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from omamori.fleet.api import coverage, data, lan, policies, units, updates, usage
from omamori.fleet.api.auth import TokenAuth
from omamori.fleet.errors import Conflict, FleetError, Invalid, Limited, NotAllowed, NotFound

STATUS: dict[type[FleetError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    Invalid: 422,
    Conflict: 409,
    Limited: 429,
}

api = NinjaAPI(
    title="Omamori fleet",
    version="1",
    description="The operators' API. Every answer is narrowed to what the token's owner may see.",
    docs_url=None,
    auth=TokenAuth(),
    urls_namespace="api-v1",
)
api.add_router("", units.router, tags=["units"])
api.add_router("", data.router, tags=["data"])
api.add_router("", lan.router, tags=["lan"])
api.add_router("", coverage.router, tags=["lan"])
api.add_router("", updates.router, tags=["updates"])
api.add_router("", usage.router, tags=["usage"])
api.add_router("", policies.router, tags=["policies"])


@api.exception_handler(FleetError)
def refused(request: HttpRequest, error: FleetError) -> HttpResponse:
    """`{"detail": ...}` with the status of the error's kind."""
    status = next((STATUS[kind] for kind in type(error).mro() if kind in STATUS), 400)
    return api.create_response(request, {"detail": str(error)}, status=status)
