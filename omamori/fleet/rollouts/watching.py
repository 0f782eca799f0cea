"""Watches packs on their way: whenever a unit that was asked for one is heard of, its rollout is judged, seldom enough.

Only rollouts with a recent change are looked at, each at most once in `EVERY`; a withdrawal is an ordinary, audited
operation by the system itself.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from omamori.fleet.accounts.actor import System
from omamori.fleet.detections.models import Detection
from omamori.fleet.rollouts import operations
from omamori.fleet.rollouts.alarm import USUAL, Counted, verdict
from omamori.fleet.rollouts.models import Kind, Member, Outcome, Rollout
from omamori.fleet.units.models import Unit
from omamori.protocol.vocabulary import Guard

EVERY = timedelta(minutes=1)
_HARMFUL = (Guard.IPS.value, Guard.AV.value, Guard.WG.value)
_MOST = 500
"""Units of one rollout that are counted: a sign that many show is shown by the first of them."""
_NOT_PACKS = "unscanned"


def watch(unit: Unit, now: datetime) -> None:
    """Judge the unit's rollouts of packs that changed lately; call it in the transaction that stores what it said."""
    recent = Member.objects.filter(
        unit=unit,
        outcome__in=(Outcome.DONE, Outcome.FAILED),
        changed__gt=now - USUAL.window,
        rollout__withdrawn=None,
        rollout__release__kind=Kind.PACK,
    ).filter(Q(rollout__judged=None) | Q(rollout__judged__lt=now - EVERY) | Q(outcome=Outcome.FAILED))
    for member in recent.select_related("rollout__release", "rollout__operator"):
        judge(member.rollout, now)


def judge(rollout: Rollout, now: datetime) -> str:
    """Withdraw the rollout where its alarm says so; gives the reason, empty where there is none."""
    Rollout.objects.filter(pk=rollout.pk).update(judged=now)
    refused = rollout.members.filter(outcome=Outcome.FAILED).count()
    done = rollout.members.filter(outcome=Outcome.DONE)
    taken = done.filter(changed__gt=now - USUAL.window).order_by("changed")[:_MOST]
    why = verdict(refused, done.count(), list(_counted(taken, now)))
    if why:
        operations.withdraw(System("rollout alarm"), rollout, why)
    return why


def _counted(members: Iterable[Member], now: datetime) -> Iterable[Counted]:
    for member in members:
        since = now - member.changed
        yield Counted(
            member.unit_id,
            _detections(member.unit_id, member.changed - since, member.changed),
            _detections(member.unit_id, member.changed, now),
        )


def _detections(unit: str, begin: datetime, end: datetime) -> int:
    """By when they came here: a unit's clock has no say in this."""
    found = Detection.objects.filter(unit=unit, guard__in=_HARMFUL, received__gt=begin, received__lte=end)
    return found.exclude(category=_NOT_PACKS).count()
