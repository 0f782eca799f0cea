"""Exceptions and policies."""

from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from omamori.fleet.api import schemas
from omamori.fleet.api.auth import actor
from omamori.fleet.policies import operations, queries
from omamori.fleet.policies.models import Exemption
from omamori.fleet.units.queries import unit as visible_unit
from omamori.protocol.policy import Policy, Response

router = Router()


class ExceptionOut(Schema):
    """Matches that fit all criteria which are set are told, but stop nothing until then."""

    id: int
    site: int = Field(alias="site_id")
    unit: str | None = Field(alias="unit_id")
    host: str
    rule: str
    destination: str
    created: datetime
    created_by: str
    reason: str
    until: datetime
    ended: datetime | None
    ended_by: str


class ExceptionIn(Schema):
    """At a unit or a site; one criterion at least."""

    unit: str = Field("", max_length=40)
    site: schemas.Key | None = None
    host: str = Field("", max_length=17)
    rule: str = Field("", max_length=110)
    destination: str = Field("", max_length=253)
    seconds: int = Field(ge=1, le=366 * 86400)
    reason: str = Field(min_length=1, max_length=400)


class EndIn(Schema):
    """Why it ends."""

    reason: str = Field(min_length=1, max_length=400)


class ChangeOut(Schema):
    """What a guard or a rule does about its matches."""

    subject: str
    response: str


class ExemptionOut(Schema):
    """An exception as the unit has it."""

    number: int
    until: datetime
    host: str | None
    rule: str
    destination: str


class PolicyOut(Schema):
    """All that holds for a unit."""

    exemptions: list[ExemptionOut]
    blocked_categories: list[str]
    changes: list[ChangeOut]
    trial_days: int


class CategoriesIn(Schema):
    """Categories to block, or to block no longer."""

    unit: str = Field("", max_length=40)
    site: schemas.Key | None = None
    categories: list[str] = Field(min_length=1, max_length=50)
    blocked: bool = True


class CategoriesOut(Schema):
    """All that are blocked there."""

    blocked: list[str]


class RespondIn(Schema):
    """What a guard or a rule is to do; without a response it does as by default again."""

    unit: str = Field("", max_length=40)
    site: schemas.Key | None = None
    subject: str = Field(max_length=110)
    response: Response | None = None
    reason: str = Field(min_length=1, max_length=400)


@router.get("/exceptions", response=list[ExceptionOut])
@paginate
def list_exceptions(
    request: HttpRequest,
    unit: str = "",
    site: schemas.Key | None = None,
    active: bool = True,  # noqa: FBT001, FBT002 - a query parameter
) -> QuerySet[Exemption]:
    """Exceptions at what one sees, newest first; with `active=false` also those that have ended."""
    at = datetime.now(UTC) if active else None
    return queries.exemptions(actor(request), unit=unit, site=site, active_at=at)


@router.post("/exceptions", response={201: ExceptionOut})
def add_exception(request: HttpRequest, body: ExceptionIn) -> Status[Exemption]:
    """Let matches pass for so long; the operator only."""
    who = actor(request)
    where = operations.scope(who, unit=body.unit, site=body.site)
    criteria = operations.Criteria(host=body.host, rule=body.rule, destination=body.destination)
    lasts = timedelta(seconds=body.seconds)
    made = operations.add(who, where, criteria, lasts=lasts, reason=body.reason, now=datetime.now(UTC))
    return Status(201, made)


@router.post("/exceptions/{key}/end", response=ExceptionOut)
def end_exception(request: HttpRequest, key: schemas.Key, body: EndIn) -> Exemption:
    """It holds no longer; the operator only."""
    return operations.end(actor(request), key, reason=body.reason, now=datetime.now(UTC))


@router.get("/units/{unit}/policy", response=PolicyOut)
def get_policy(request: HttpRequest, unit: str) -> Policy:
    """All that holds for a unit, its own and its site's."""
    return queries.policy_of(visible_unit(actor(request), unit), now=datetime.now(UTC))


@router.post("/policy/categories", response=CategoriesOut)
def block_categories(request: HttpRequest, body: CategoriesIn) -> dict[str, list[str]]:
    """Block categories of sites, or no longer; the operator only."""
    who = actor(request)
    where = operations.scope(who, unit=body.unit, site=body.site)
    return {"blocked": operations.block_categories(who, where, body.categories, blocked=body.blocked)}


@router.post("/policy/respond", response={204: None})
def respond(request: HttpRequest, body: RespondIn) -> Status[None]:
    """What a guard or a rule does; the operator only."""
    who = actor(request)
    where = operations.scope(who, unit=body.unit, site=body.site)
    operations.respond(who, where, body.subject, body.response or "", reason=body.reason)
    return Status(204, None)
