"""What an actor may see. Every query of the fleet narrows itself with `within`; nothing else decides tenancy."""

import hmac
from datetime import datetime
from hashlib import sha256
from typing import assert_never

from django.db.models import Q, QuerySet

from omamori.fleet.accounts.actor import Actor, Level, Member, System
from omamori.fleet.accounts.models import Audit, Customer, Operator, Site, Token
from omamori.fleet.errors import NotAllowed, NotFound

_PATHS = {
    Level.OPERATOR: "customer__reseller__operator",
    Level.RESELLER: "customer__reseller",
    Level.CUSTOMER: "customer",
}


def within(actor: Actor, site: str = "site") -> Q:
    """A filter for rows whose relation `site` leads to a site the actor may see; empty `site` is a Site itself."""
    match actor:
        case System():
            return Q()
        case Member(level=level, tenant=tenant):
            return Q(**{f"{site}__{_PATHS[level]}".removeprefix("__"): tenant})
        case unhandled:
            assert_never(unhandled)


def sites(actor: Actor) -> QuerySet[Site]:
    """The sites the actor may see, with their customers."""
    return (
        Site.objects.filter(within(actor, ""))
        .select_related("customer__reseller")
        .order_by("customer__name", "name")
    )


def customers(actor: Actor) -> QuerySet[Customer]:
    """The customers the actor may see."""
    match actor:
        case System():
            visible = Q()
        case Member(level=Level.CUSTOMER, tenant=tenant):
            visible = Q(pk=tenant)
        case Member(level=level, tenant=tenant):
            visible = Q(**{_PATHS[level].removeprefix("customer__"): tenant})
        case unhandled:
            assert_never(unhandled)
    return Customer.objects.filter(visible).select_related("reseller").order_by("name")


def site(actor: Actor, key: int) -> Site:
    """Raises NotFound."""
    found = sites(actor).filter(pk=key).first()
    if found is None:
        raise NotFound(f"no site {key}")
    return found


def operator_of(actor: Actor) -> Operator:
    """The operator an operating actor acts for; the system acts for the only one. Raises NotAllowed."""
    if isinstance(actor, Member):
        if actor.level is not Level.OPERATOR:
            raise NotAllowed("only the operator may do that")
        return Operator.objects.get(pk=actor.tenant)
    found = list(Operator.objects.all()[:2])
    if len(found) != 1:
        raise NotAllowed(f"the system cannot act for one of {len(found)} operators")
    return found[0]


def audit(actor: Actor) -> QuerySet[Audit]:
    """The record of changes at the sites the actor may see; changes at no site are the operator's."""
    visible = within(actor)
    if isinstance(actor, Member) and actor.level is Level.OPERATOR:
        visible |= Q(site__isnull=True)
    return Audit.objects.filter(visible).order_by("-at", "-id")


def token_of(text: str, *, now: datetime) -> Token | None:
    """The token this is, its secret compared in constant time; None for one unknown, expired, or of someone inactive."""
    public, _, secret = text.removeprefix("omk_").partition("_")
    found = Token.objects.select_related("user").filter(public=public[:16]).first()
    right = hmac.compare_digest(digest(secret), found.digest if found else digest(""))
    if found is None or not right or not found.user.is_active or (found.expires and found.expires <= now):
        return None
    return found


def digest(secret: str) -> str:
    """How a generated secret is stored: it has 128 random bits or more, so one round of SHA-256 is enough."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
