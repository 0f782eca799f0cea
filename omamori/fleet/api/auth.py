"""A bearer token becomes an actor; everything after that is up to queries and operations."""

from datetime import UTC, datetime, timedelta

from django.http import HttpRequest
from ninja.security import HttpBearer

from omamori.fleet.accounts.actor import Actor, Member, actor_of
from omamori.fleet.accounts.models import Token
from omamori.fleet.accounts.queries import token_of
from omamori.fleet.errors import NotAllowed

_USE_NOTED_EVERY = timedelta(minutes=10)


class TokenAuth(HttpBearer):
    """`Authorization: Bearer omk_...`."""

    openapi_name = "token"

    def authenticate(self, request: HttpRequest, token: str) -> Member | None:  # noqa: ARG002 - ninja's signature
        now = datetime.now(UTC)
        found = token_of(token, now=now)
        if found is None:
            return None
        if found.last_used is None or now - found.last_used > _USE_NOTED_EVERY:
            Token.objects.filter(pk=found.pk).update(last_used=now)
        try:
            return actor_of(found.user)
        except NotAllowed:
            return None


def actor(request: HttpRequest) -> Actor:
    """Who asks; ninja put it there once `TokenAuth` let the request through."""
    found = getattr(request, "auth", None)
    if not isinstance(found, Member):
        raise NotAllowed("no token")
    return found
