"""Changes to tenants, people and tokens, each with its audit record in the same transaction."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from omamori.fleet.accounts.actor import Actor, Level, must_operate
from omamori.fleet.accounts.models import Audit, Customer, Membership, Operator, Reseller, Site, Token, User
from omamori.fleet.accounts.queries import digest, operator_of
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.errors import Conflict, Invalid


def record(
    actor: Actor,
    operation: str,
    target: object,
    *,
    site: Site | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Write the audit record of a change; call it inside the change's own transaction."""
    Audit.objects.create(
        at=timezone.now(),
        actor=str(actor)[:160],
        operation=operation,
        target=str(target)[:120],
        site=site,
        details=dict(details or {}),
    )


@transaction.atomic
def ensure_operator(name: str) -> Operator:
    """The fleet's operator, made at `init`; an existing one keeps its name."""
    found = Operator.objects.order_by("pk").first()
    return found or Operator.objects.create(name=_name(name, "operator"))


@transaction.atomic
def add_site(actor: Actor, *, reseller: str, customer: str, site: str) -> Site:
    """A site by the names that lead to it; resellers and customers are made where they are new."""
    must_operate(actor)
    seller, _ = Reseller.objects.get_or_create(operator=operator_of(actor), name=_name(reseller, "reseller"))
    buyer, _ = Customer.objects.get_or_create(reseller=seller, name=_name(customer, "customer"))
    place, made = Site.objects.get_or_create(customer=buyer, name=_name(site, "site"))
    if made:
        record(
            actor,
            "site.add",
            place.pk,
            site=place,
            details={"reseller": reseller, "customer": customer, "site": site},
        )
    return place


@transaction.atomic
def describe_site(actor: Actor, key: int, *, business: str | None = None, staff: int | None = None) -> Site:
    """What is done there and by how many; None leaves it. Raises NotFound, NotAllowed, Invalid."""
    must_operate(actor)
    place = visible_site(actor, key)
    if business is not None:
        place.business = _name(business, "business")[:40].lower() if business.strip() else ""
    if staff is not None:
        place.staff = staff
    place.save(update_fields=["business", "staff"])
    details = {"business": place.business, "staff": place.staff}
    record(actor, "site.describe", place.pk, site=place, details=details)
    return place


@dataclass(frozen=True, slots=True)
class Belonging:
    """The tenant a new person will act for."""

    level: Level
    tenant: int


@transaction.atomic
def add_user(actor: Actor, username: str, password: str, belonging: Belonging, *, language: str = "") -> User:
    """A person who can sign in. Raises Invalid for a weak password or unknown tenant, Conflict for a taken name."""
    must_operate(actor)
    _visible(actor, belonging)
    if User.objects.filter(username=username).exists():
        raise Conflict(f"there is a user {username!r} already")
    user = User(username=_name(username, "user name"), language=language)
    try:
        user.full_clean(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("; ".join(error.messages)) from error
    user.set_password(password)
    user.save()
    Membership.objects.create(user=user, **{f"{belonging.level.value}_id": belonging.tenant})
    record(actor, "user.add", username, details={"level": belonging.level.value, "tenant": belonging.tenant})
    return user


def _visible(actor: Actor, belonging: Belonging) -> None:
    operator = operator_of(actor)
    known = {
        Level.OPERATOR: Operator.objects.filter(pk=operator.pk),
        Level.RESELLER: Reseller.objects.filter(operator=operator),
        Level.CUSTOMER: Customer.objects.filter(reseller__operator=operator),
    }[belonging.level]
    if not known.filter(pk=belonging.tenant).exists():
        raise Invalid(f"no {belonging.level.value} {belonging.tenant}")


@transaction.atomic
def add_token(
    actor: Actor, user: User, name: str, *, lifetime: timedelta | None = None, now: datetime
) -> str:
    """A new API key of that person, shown this once: `omk_<public>_<secret>`."""
    must_operate(actor)
    public, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    expires = now + lifetime if lifetime else None
    Token.objects.create(
        user=user,
        name=_name(name, "token name"),
        public=public,
        digest=digest(secret),
        created=now,
        expires=expires,
    )
    record(actor, "token.add", public, details={"user": user.username, "name": name})
    return f"omk_{public}_{secret}"


@transaction.atomic
def remove_token(actor: Actor, public: str) -> None:
    """The key stops working at once. Raises Invalid where there is none."""
    must_operate(actor)
    gone, _ = Token.objects.filter(public=public).delete()
    if not gone:
        raise Invalid(f"no token {public!r}")
    record(actor, "token.remove", public)


def _name(text: str, what: str) -> str:
    cleaned = text.strip()
    if not cleaned or len(cleaned) > 120 or not cleaned.isprintable():
        raise Invalid(f"not a {what}: {text[:60]!r}")
    return cleaned
