"""A pack that units refuse, or that makes many of them detect far more, is taken back before the others get it."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Audit
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.ingest.operations import store
from omamori.fleet.rollouts import operations, queries
from omamori.fleet.rollouts.alarm import USUAL, Counted, verdict
from omamori.fleet.rollouts.models import Member, Outcome
from omamori.fleet.units.models import Want
from omamori.protocol.messages import UpdateState
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Guard, UpdatePhase

OLD, NEW = Version.parse("2026.11.1"), Version.parse("2026.11.2")
REFUSAL = "pack: the bridge did not take 2026.11.2: back to 2026.11.1 (SelfTestFailed: capture page)"
UNITS = tuple(f"om-000{number}" for number in range(6))


class Rolling:
    """Pack 2026.11.2 on its way to three of six units that have 2026.11.1."""

    def __init__(self, fleet):
        self.fleet, self.sequence = fleet, 0
        for unit in UNITS:
            fleet.unit(unit)
            self.says(unit, pack=OLD)
        release = operations.add_release(System(), "pack", str(NEW))
        self.rollout = operations.create(
            System(), release, operations.Audience(everything=True), operations.Terms(first_wave=3)
        )

    def says(self, unit, **changes):
        self.sequence += 1
        store([self.fleet.state(self.sequence, unit=unit, **({"generation": 9} | changes))])

    def detects(self, unit, count, **changes):
        first, self.sequence = self.sequence + 1, self.sequence + count
        store([self.fleet.detection(number, unit=unit, **changes) for number in range(first, first + count)])

    def took(self, *units, hours=0):
        for unit in units:
            self.says(unit, pack=NEW)
        Member.objects.filter(unit__in=units).update(changed=timezone.now() - timedelta(hours=hours))

    def look_again(self):
        """As if a minute had passed."""
        queries.rollouts(System()).update(judged=None)

    def withdrawn(self):
        self.rollout.refresh_from_db()
        return self.rollout.withdrawn_reason

    def wanted(self):
        return dict(Want.objects.values_list("unit_id", "pack"))


@pytest.fixture
def rolling(fleet):
    return Rolling(fleet)


def refused(rolling, unit):
    rolling.says(unit, update=UpdateState(UpdatePhase.IDLE, None, REFUSAL))


def test_a_refused_pack_fails_with_the_units_reason_and_is_withdrawn(rolling):
    rolling.took(UNITS[0])
    refused(rolling, UNITS[1])
    member = Member.objects.get(unit=UNITS[1])
    assert (member.outcome, member.reason) == (Outcome.FAILED, REFUSAL)
    assert rolling.withdrawn() == "1 of 2 units refused it"
    assert rolling.wanted() == {
        **dict.fromkeys(UNITS[:3], "2026.11.1"),
        **dict.fromkeys(UNITS[3:], ""),
    }
    assert Member.objects.get(unit=UNITS[2]).outcome == Outcome.SUPERSEDED
    assert Audit.objects.filter(operation="rollout.withdraw").count() == 1


def test_a_refusal_is_heard_though_the_units_firmware_failed_before(rolling):
    error = f"{REFUSAL}; bridge: says nothing"
    rolling.says(UNITS[1], update=UpdateState(UpdatePhase.FAILED, Version.parse("1.1.0"), error))
    assert Member.objects.get(unit=UNITS[1]).outcome == Outcome.FAILED


def test_a_withdrawn_pack_goes_no_further(rolling):
    refused(rolling, UNITS[0])
    with pytest.raises(Conflict, match="was withdrawn"):
        operations.advance(System(), rolling.rollout)
    release = queries.release(System(), "pack", str(NEW))
    with pytest.raises(Conflict, match="was withdrawn"):
        operations.create(System(), release, operations.Audience(everything=True))
    with pytest.raises(Conflict, match="withdrawn already"):
        operations.withdraw(System(), rolling.rollout, "twice")


@pytest.mark.parametrize(
    "error",
    [
        "network: connection refused",
        "pack: 2026.11.2 waits for the bridge, which says nothing",
        "pack: the bridge did not take 2026.11.20: back to 2026.11.1",
    ],
)
def test_what_is_no_refusal_of_this_pack_is_none(rolling, error):
    rolling.says(UNITS[0], update=UpdateState(UpdatePhase.IDLE, None, error))
    assert Member.objects.get(unit=UNITS[0]).outcome == Outcome.TAKEN
    assert rolling.withdrawn() == ""


def test_detections_that_explode_at_several_units_withdraw_the_pack(rolling):
    rolling.detects(UNITS[0], 3)
    rolling.took(*UNITS[:3], hours=1)
    rolling.look_again()
    rolling.detects(UNITS[0], 60)
    assert rolling.withdrawn() == "", "one unit's bad day"
    rolling.look_again()
    rolling.detects(UNITS[1], 40)
    assert rolling.withdrawn().startswith("detections exploded at 2 of 3 units: om-0000 had 0 before and 6")
    assert rolling.wanted()[UNITS[2]] == "2026.11.1"


def test_visits_and_notes_are_no_explosion(rolling):
    rolling.took(*UNITS[:3], hours=1)
    for unit in UNITS[:3]:
        rolling.look_again()
        rolling.detects(unit, 60, guard=Guard.UF)
        rolling.detects(unit, 60, guard=Guard.AV, category="unscanned")
    assert rolling.withdrawn() == ""


def test_what_was_many_before_may_be_many_since():
    assert verdict(0, 6, [Counted(unit, 30, 150) for unit in UNITS]) == ""
    assert verdict(0, 6, [Counted(unit, 30, 171) for unit in UNITS]).startswith(
        "detections exploded at 6 of 6"
    )


def test_a_rollout_is_judged_once_a_minute(rolling):
    rolling.took(*UNITS[:3], hours=1)
    rolling.detects(UNITS[0], 60)
    judged = queries.rollout(System(), rolling.rollout.pk).judged
    rolling.detects(UNITS[1], 60)
    assert queries.rollout(System(), rolling.rollout.pk).judged == judged
    assert rolling.withdrawn() == ""


def test_a_unit_with_the_factorys_pack_goes_back_to_the_newest_good_one(fleet):
    fleet.unit()
    store([fleet.state(1, pack=None)])
    operations.add_release(System(), "pack", "2026.10.1")
    release = operations.add_release(System(), "pack", str(NEW))
    rollout = operations.create(System(), release, operations.Audience(everything=True))
    operations.withdraw(System(), rollout, "a drill")
    assert Want.objects.get().pack == "2026.10.1"


def test_one_that_comes_late_and_refuses_is_judged_among_all_that_took_it(fleet):
    """Eleven have had it for a day; the twelfth was switched off."""
    units = [f"om-01{number:02d}" for number in range(12)]
    for unit in units:
        fleet.unit(unit)
        store([fleet.state(1, unit=unit, pack=OLD)])
    release = operations.add_release(System(), "pack", str(NEW))
    rollout = operations.create(System(), release, operations.Audience(everything=True))
    for unit in units[:11]:
        store([fleet.state(2, unit=unit, pack=NEW, generation=9)])
    Member.objects.update(changed=timezone.now() - timedelta(hours=25))
    queries.rollouts(System()).update(judged=None)
    store([fleet.state(2, unit=units[11], generation=9, update=UpdateState(UpdatePhase.IDLE, None, REFUSAL))])
    rollout.refresh_from_db()
    assert Member.objects.get(unit=units[11]).outcome == Outcome.FAILED
    assert rollout.withdrawn_reason == ""


@pytest.fixture
def newer(rolling):
    """A pack after the one on its way, wanted of the first two units; the third is still to have the one before."""
    release = operations.add_release(System(), "pack", "2026.11.3")
    rolling.took(*UNITS[:3])
    return operations.create(System(), release, operations.Audience(units=UNITS[:2]))


@pytest.mark.usefixtures("newer")
def test_who_has_moved_on_to_a_newer_pack_is_not_taken_back_from_it(rolling):
    operations.withdraw(System(), rolling.rollout, "found late")
    wanted = rolling.wanted()
    assert [wanted[unit] for unit in UNITS[:3]] == ["2026.11.3", "2026.11.3", "2026.11.1"]


def test_the_way_back_is_never_to_a_pack_that_was_withdrawn(rolling, newer):
    """The fix for a bad pack is bad, too, and came before its units had reported the way back."""
    operations.add_release(System(), "pack", "2026.10.1")
    operations.Release.objects.filter(version="2026.10.1").update(added=timezone.now() - timedelta(days=9))
    operations.withdraw(System(), rolling.rollout, "bad")
    operations.withdraw(System(), newer, "bad as well")
    assert {rolling.wanted()[unit] for unit in UNITS[:2]} == {"2026.10.1"}


def test_a_firmware_is_not_withdrawn(fleet):
    fleet.unit()
    release = operations.add_release(System(), "firmware", "1.1.0")
    rollout = operations.create(System(), release, operations.Audience(everything=True))
    with pytest.raises(Invalid, match="only packs"):
        operations.withdraw(System(), rollout, "x")


COUNTS = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 100_000)), max_size=30).map(
    lambda pairs: [Counted(f"u{place}", *pair) for place, pair in enumerate(pairs)]
)


@given(st.integers(0, 50), st.integers(0, 1000), COUNTS)
def test_the_alarm_needs_several_signs_and_names_them(refusals, earlier, taken):
    took = earlier + len(taken)
    why = verdict(refusals, took, taken)
    if refusals == 0:
        grown = [each for each in taken if each.since > each.before * USUAL.growth + USUAL.floor]
        assert bool(why) is bool(grown and len(grown) >= max(min(2, len(taken)), len(taken) * USUAL.share))
    elif refusals >= (refusals + took) * USUAL.refused_share:
        assert why == f"{refusals} of {refusals + took} units refused it"
