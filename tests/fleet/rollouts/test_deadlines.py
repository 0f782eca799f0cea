"""The security deadline of a rollout: the operator's alone, with notice, told to every unit that was asked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Audit
from omamori.fleet.errors import Conflict, Invalid, NotAllowed
from omamori.fleet.ingest.operations import store
from omamori.fleet.rollouts import operations
from omamori.fleet.rollouts.deadlines import set_deadline
from omamori.fleet.units.models import Want
from omamori.protocol.messages import UpdateState
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

WEEK = timedelta(days=7)
ALL = operations.Audience(everything=True)


@pytest.fixture
def three(fleet):
    """Three units and a firmware to come."""
    for number in range(1, 4):
        fleet.unit(f"om-000{number}")
    fleet.release = operations.add_release(System(), "firmware", "1.1.0")
    return fleet


def deadlines():
    return list(Want.objects.order_by("unit").values_list("deadline", flat=True))


def test_a_rollouts_deadline_is_told_to_each_unit_that_is_asked(three):
    until = timezone.now() + WEEK
    terms = operations.Terms(first_wave=1, deadline=until)
    rollout = operations.create(three.member(), three.release, ALL, terms)
    assert deadlines() == [until, None, None]
    operations.advance(three.member(), rollout, anyway=True)
    assert deadlines() == [until] * 3


def test_it_moves_and_is_taken_back_for_units_that_still_wait(three):
    until = timezone.now() + WEEK
    rollout = operations.create(System(), three.release, ALL, operations.Terms(first_wave=2, deadline=until))
    done = {"firmware": Version.parse("1.1.0"), "generation": 2}
    store([three.state(1, update=UpdateState(UpdatePhase.COMMITTED, done["firmware"]), **done)])
    before = Want.objects.get(pk="om-0002").generation
    set_deadline(three.member(), rollout, until + WEEK, now=timezone.now())
    assert deadlines() == [until, until + WEEK, None], "done, waits, not asked yet"
    assert Want.objects.get(pk="om-0002").generation == before + 1
    set_deadline(three.member(), rollout, None, now=timezone.now())
    assert deadlines() == [until, None, None]
    assert Audit.objects.filter(operation="rollout.deadline").count() == 2


@pytest.mark.parametrize("level", ["reseller", "customer"])
def test_only_the_operator_sets_one(three, level):
    rollout = operations.create(System(), three.release, ALL)
    with pytest.raises(NotAllowed):
        set_deadline(three.member(level), rollout, timezone.now() + WEEK, now=timezone.now())
    with pytest.raises(NotAllowed):
        operations.plan(three.member(level), three.release, ALL, operations.USUAL)
    assert deadlines() == [None] * 3


@pytest.mark.parametrize("ahead", [timedelta(0), -WEEK, timedelta(minutes=59), timedelta(days=400)])
def test_nobody_is_surprised_at_work(three, ahead):
    now = timezone.now()
    with pytest.raises(Invalid, match="60 minutes of notice"):
        operations.create(System(), three.release, ALL, operations.Terms(deadline=now + ahead))
    rollout = operations.create(System(), three.release, ALL)
    with pytest.raises(Invalid):
        set_deadline(System(), rollout, now + ahead, now=now)


def test_a_later_wave_gets_notice_too(three):
    terms = operations.Terms(first_wave=1, deadline=timezone.now() + WEEK)
    rollout = operations.create(System(), three.release, ALL, terms)
    type(rollout).objects.update(deadline=timezone.now() - timedelta(days=1))
    with pytest.raises(Invalid):
        operations.advance(System(), rollout, anyway=True)
    assert Want.objects.filter(firmware="1.1.0").count() == 1
    set_deadline(System(), rollout, timezone.now() + WEEK, now=timezone.now())
    operations.advance(System(), rollout, anyway=True)
    assert Want.objects.filter(firmware="1.1.0").count() == 3


@pytest.mark.usefixtures("three")
def test_a_pack_has_none():
    pack = operations.add_release(System(), "pack", "2.0.0")
    with pytest.raises(Invalid, match="only a firmware"):
        operations.create(System(), pack, ALL, operations.Terms(deadline=timezone.now() + WEEK))


def test_nothing_is_left_to_hurry_in_a_rollout_that_is_over(three):
    rollout = operations.create(System(), three.release, ALL)
    operations.create(System(), operations.add_release(System(), "firmware", "1.2.0"), ALL)
    with pytest.raises(Conflict, match="no unit left"):
        set_deadline(System(), rollout, timezone.now() + WEEK, now=timezone.now())


def test_a_plan_says_who_would_be_asked_and_changes_nothing(three):
    terms = operations.Terms(first_wave=2, deadline=timezone.now() + WEEK)
    planned = operations.plan(three.member(), three.release, ALL, terms)
    assert planned == [("om-0001", 1), ("om-0002", 1), ("om-0003", 2)]
    assert set(Want.objects.values_list("generation", "firmware")) == {(1, "")}
    assert not three.release.rollouts.exists()
