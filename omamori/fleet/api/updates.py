"""Releases and rollouts."""

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status
from ninja.pagination import paginate

from omamori.fleet.api import schemas
from omamori.fleet.api.auth import actor
from omamori.fleet.errors import Invalid
from omamori.fleet.rollouts import deadlines, operations, queries
from omamori.fleet.rollouts.models import Kind, Member, Release, Rollout
from omamori.fleet.rollouts.repository import offers
from omamori.fleet.surfaces.addresses import repository

router = Router()


@router.get("/releases", response=list[schemas.ReleaseOut])
@paginate
def list_releases(request: HttpRequest, kind: Kind | None = None) -> QuerySet[Release]:
    """Releases, newest first."""
    return queries.releases(actor(request), kind=kind.value if kind else "")


@router.post("/releases", response={201: schemas.ReleaseOut})
def add_release(request: HttpRequest, body: schemas.ReleaseIn) -> Status[Release]:
    """Announce a version that the TUF repository has; the operator only."""
    found = offers(repository(settings.FLEET, settings.FLEET_STATE))
    match = next(
        (o for o in found if (o.kind.value, str(o.version)) == (body.kind.value, body.version)), None
    )
    if match is None:
        raise Invalid(f"the repository offers no {body.kind.value} {body.version}")
    made = operations.add_release(
        actor(request),
        body.kind.value,
        body.version,
        notes=body.notes,
        targets=match.targets,
        about=match.about,
    )
    return Status(201, made)


@router.get("/rollouts", response=list[schemas.RolloutOut])
@paginate
def list_rollouts(request: HttpRequest) -> QuerySet[Rollout]:
    """Rollouts that touch a unit one sees, newest first."""
    return queries.rollouts(actor(request))


@router.post("/rollouts", response={201: schemas.RolloutOut})
def create_rollout(request: HttpRequest, body: schemas.RolloutIn) -> Status[Rollout]:
    """Roll a release out; the operator only."""
    who = actor(request)
    release = queries.release(who, body.kind.value, body.version)
    audience = operations.Audience(
        units=tuple(body.units), sites=tuple(body.sites), everything=body.everything
    )
    terms = operations.Terms(first_wave=body.first_wave, deadline=body.deadline, note=body.note)
    made = operations.create(who, release, audience, terms)
    return Status(201, made)


@router.get("/rollouts/{key}", response=schemas.RolloutOut)
def get_rollout(request: HttpRequest, key: schemas.Key) -> Rollout:
    """One rollout."""
    return queries.rollout(actor(request), key)


@router.post("/rollouts/{key}/advance", response=schemas.RolloutOut)
def advance_rollout(request: HttpRequest, key: schemas.Key, *, anyway: bool = False) -> Rollout:
    """Open the next wave; the operator only. 409 where units went back from a firmware or none runs it yet, short of `anyway`."""
    who = actor(request)
    return operations.advance(who, queries.rollout(who, key), anyway=anyway)


@router.put("/rollouts/{key}/deadline", response=schemas.RolloutOut)
def set_deadline(request: HttpRequest, key: schemas.Key, body: schemas.DeadlineIn) -> Rollout:
    """Set, move or take back (null) a firmware's security deadline; the operator only."""
    who = actor(request)
    return deadlines.set_deadline(who, queries.rollout(who, key), body.deadline, now=timezone.now())


@router.post("/rollouts/{key}/withdraw", response=schemas.RolloutOut)
def withdraw_rollout(request: HttpRequest, key: schemas.Key, body: schemas.WithdrawIn) -> Rollout:
    """Take a pack back: each unit that was asked goes back to the one it had; the operator only."""
    who = actor(request)
    return operations.withdraw(who, queries.rollout(who, key), body.reason)


@router.get("/rollouts/{key}/members", response=list[schemas.MemberOut])
@paginate
def list_members(request: HttpRequest, key: schemas.Key) -> QuerySet[Member]:
    """Every unit of a rollout that one sees, with its outcome."""
    who = actor(request)
    return queries.members(who, rollout=queries.rollout(who, key).pk)
