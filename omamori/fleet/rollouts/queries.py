"""Releases and rollouts as far as the actor may see; progress is a count of what units reported."""

from dataclasses import dataclass

from django.db.models import Count, QuerySet

from omamori.fleet.accounts.actor import Actor, Level, Member
from omamori.fleet.accounts.queries import within
from omamori.fleet.errors import NotFound
from omamori.fleet.rollouts.models import FINAL, Kind, Outcome, Release, Rollout
from omamori.fleet.rollouts.models import Member as RolloutMember


@dataclass(frozen=True, slots=True)
class Progress:
    """How many units of a rollout, as far as the actor sees them, stand where."""

    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        return self.counts.get(Outcome.DONE.value, 0)

    @property
    def failed(self) -> int:
        return self.counts.get(Outcome.FAILED.value, 0)

    @property
    def open(self) -> int:
        return self.total - sum(self.counts.get(outcome.value, 0) for outcome in FINAL)


def releases(_actor: Actor, *, kind: str = "") -> QuerySet[Release]:
    """Releases are announced to everyone, newest first."""
    found = Release.objects.order_by("-added", "-id")
    return found.filter(kind=kind) if kind else found


def announced(version: str) -> Release | None:
    """The firmware that units are to have, where it was announced."""
    return Release.objects.filter(kind=Kind.FIRMWARE, version=version).first() if version else None


def release(actor: Actor, kind: str, version: str) -> Release:
    """Raises NotFound."""
    found = releases(actor, kind=kind).filter(version=version).first()
    if found is None:
        raise NotFound(f"no {kind} release {version[:40]!r}")
    return found


def rollouts(actor: Actor) -> QuerySet[Rollout]:
    """Rollouts that touch a unit the actor sees; an operator sees all of its own. Newest first."""
    found = Rollout.objects.select_related("release", "operator").order_by("-id")
    match actor:
        case Member(level=Level.OPERATOR, tenant=tenant):
            return found.filter(operator=tenant)
        case Member():
            return found.filter(members__in=members(actor)).distinct()
        case _:
            return found


def rollout(actor: Actor, key: int) -> Rollout:
    """Raises NotFound."""
    found = rollouts(actor).filter(pk=key).first()
    if found is None:
        raise NotFound(f"no rollout {key}")
    return found


def members(actor: Actor, *, rollout: int | None = None, unit: str = "") -> QuerySet[RolloutMember]:
    """Units in rollouts with their outcome, by wave and unit; newest rollout first."""
    found = RolloutMember.objects.filter(within(actor, "unit__site")).select_related(
        "unit__want", "rollout__release"
    )
    if rollout is not None:
        found = found.filter(rollout_id=rollout)
    if unit:
        found = found.filter(unit_id=unit)
    return found.order_by("-rollout_id", "wave", "unit_id")


def progress(actor: Actor, rollout: int) -> Progress:
    """The count of outcomes among the units the actor sees."""
    rows = members(actor, rollout=rollout).order_by().values_list("outcome").annotate(units=Count("pk"))
    return Progress(dict(rows))
