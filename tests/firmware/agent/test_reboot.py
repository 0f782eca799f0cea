"""When a staged firmware may be tried."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.agent.picture import ByHand
from omamori.firmware.agent.reboot import SPREAD, share, when
from omamori.protocol.ids import unit_id
from omamori.protocol.messages import UpdateState, Want
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import ApplyWhen, UpdatePhase
from omamori.protocol.window import RebootWindow, is_open

UNIT = unit_id("om-0001")
NEW = Version(1, 3, 0)
NIGHT = RebootWindow("Asia/Tokyo", (1, 2, 3, 4, 5, 6, 7), "02:00", "05:00")
WANT = Want(5, NEW, None, NIGHT)
STAGED = UpdateState(UpdatePhase.STAGED, NEW)
NOON = datetime(2026, 5, 1, 3, tzinfo=UTC)
OPENS = datetime(2026, 5, 1, 17, tzinfo=UTC)


def test_it_waits_for_the_window_and_keeps_its_own_minute() -> None:
    at = when(WANT, STAGED, NOON, UNIT)
    assert at == OPENS + SPREAD * share(UNIT)
    assert when(WANT, STAGED, OPENS, UNIT) == at, "the same minute once the window is open"
    assert when(WANT, STAGED, OPENS + timedelta(hours=1), UNIT) == at, "past: at once"
    assert when(WANT, STAGED, OPENS + timedelta(hours=3), UNIT) == at + timedelta(days=1), (
        "closed: the next night"
    )


@pytest.mark.parametrize("phase", [phase for phase in UpdatePhase if phase is not UpdatePhase.STAGED])
def test_nothing_but_a_staged_firmware_reboots(phase: UpdatePhase) -> None:
    assert when(replace(WANT, apply=ApplyWhen.NOW), replace(STAGED, phase=phase), NOON, UNIT) is None


def test_only_what_is_still_wanted_is_tried() -> None:
    assert when(None, STAGED, NOON, UNIT) is None
    assert when(replace(WANT, firmware=None), STAGED, NOON, UNIT) is None
    assert when(replace(WANT, firmware=Version(1, 4, 0), apply=ApplyWhen.NOW), STAGED, NOON, UNIT) is None


def test_now_is_now() -> None:
    assert when(replace(WANT, apply=ApplyWhen.NOW), STAGED, NOON, UNIT) == NOON


def test_a_clock_at_1970_opens_no_window_but_now_is_still_now() -> None:
    unset = datetime(1970, 1, 1, 17, 30, tzinfo=UTC)
    assert is_open(NIGHT, unset)
    assert when(WANT, STAGED, unset, UNIT) is None
    assert when(replace(WANT, apply=ApplyWhen.NOW), STAGED, unset, UNIT) == unset


@settings(max_examples=100)
@given(
    st.integers(0, 10**6),
    st.integers(1, 1439),
    st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - given
)
def test_the_chosen_moment_lies_in_the_window(number: int, minutes: int, now: datetime) -> None:
    end = f"{(120 + minutes) % 1440 // 60:02d}:{(120 + minutes) % 60:02d}"
    window = RebootWindow("Europe/Berlin", (1, 3, 7), "02:00", end)
    at = when(replace(WANT, window=window), STAGED, now, unit_id(f"om-{number:07d}"))
    assert at
    assert is_open(window, at)
    assert at > now or is_open(window, now)


def test_units_do_not_reboot_all_at_once() -> None:
    minutes = [when(WANT, STAGED, NOON, unit_id(f"om-{n:04d}")) for n in range(200)]
    assert len({minute.replace(second=0, microsecond=0) for minute in minutes if minute}) == 10


# --- postponed, power cycle, deadline ---


def test_a_postponed_restart_waits_for_the_first_window_after_it() -> None:
    until = OPENS + timedelta(days=3, hours=5)
    at = when(replace(WANT, postponed_until=until), STAGED, NOON, UNIT)
    assert at == OPENS + timedelta(days=4) + SPREAD * share(UNIT)
    assert when(replace(WANT, postponed_until=NOON - timedelta(days=9)), STAGED, NOON, UNIT) == when(
        WANT, STAGED, NOON, UNIT
    )


def test_a_power_cycle_is_waited_for_without_a_restart() -> None:
    want = replace(WANT, at_power_cycle=True)
    assert all(when(want, STAGED, NOON + timedelta(hours=hours), UNIT) is None for hours in range(72))
    assert when(replace(want, apply=ApplyWhen.NOW), STAGED, NOON, UNIT) == NOON, "the customer said now"


@pytest.mark.parametrize(
    "want", [replace(WANT, at_power_cycle=True), replace(WANT, postponed_until=NOON + timedelta(days=90))]
)
def test_a_security_deadline_goes_before_everything(want: Want) -> None:
    deadline = NOON + timedelta(days=2)
    at = when(replace(want, deadline=deadline), STAGED, NOON, UNIT)
    assert at == deadline - SPREAD * share(UNIT)
    after = when(replace(want, deadline=deadline), STAGED, deadline + timedelta(days=1), UNIT)
    assert after is not None
    assert after <= deadline, "past: at once"


def test_a_deadline_never_makes_it_later_and_waits_for_a_clock_too() -> None:
    far = replace(WANT, deadline=NOON + timedelta(days=30))
    assert when(far, STAGED, NOON, UNIT) == when(WANT, STAGED, NOON, UNIT)
    assert when(far, STAGED, datetime(1970, 1, 1, tzinfo=UTC), UNIT) is None


# --- ordered at the unit: from a stick or a mirror ---

OTHER = Version(1, 4, 0)
PLUGGED = UpdateState(UpdatePhase.STAGED, OTHER)
HERE = ByHand(OTHER, WANT.generation, WANT.firmware)


def test_what_came_by_a_stick_is_tried_in_the_window() -> None:
    assert when(WANT, PLUGGED, NOON, UNIT, HERE) == when(WANT, STAGED, NOON, UNIT)
    assert when(None, PLUGGED, NOON, UNIT, ByHand(OTHER, 0)) == when(Want(0, OTHER), PLUGGED, NOON, UNIT)


def test_what_the_customer_chose_holds_for_it_too() -> None:
    until = OPENS + timedelta(days=3, hours=5)
    at = when(replace(WANT, postponed_until=until), PLUGGED, NOON, UNIT, HERE)
    assert at == OPENS + timedelta(days=4) + SPREAD * share(UNIT)
    assert when(replace(WANT, at_power_cycle=True), PLUGGED, NOON, UNIT, HERE) is None


def test_now_and_a_deadline_were_said_of_another_version() -> None:
    for want in (replace(WANT, apply=ApplyWhen.NOW), replace(WANT, deadline=NOON + timedelta(hours=1))):
        assert when(want, PLUGGED, NOON, UNIT, HERE) == when(WANT, STAGED, NOON, UNIT)
        same = replace(want, firmware=OTHER)
        assert when(same, PLUGGED, NOON, UNIT, HERE) == when(same, PLUGGED, NOON, UNIT)


def test_a_customer_who_chooses_another_window_does_not_end_it() -> None:
    later = replace(WANT, generation=WANT.generation + 1)
    assert when(later, PLUGGED, NOON, UNIT, HERE) == when(WANT, STAGED, NOON, UNIT)


def test_once_the_fleet_wants_another_version_it_is_not_tried() -> None:
    newer = replace(WANT, generation=WANT.generation + 1, firmware=Version(1, 3, 1))
    assert when(newer, PLUGGED, NOON, UNIT, HERE) is None
    assert when(WANT, PLUGGED, NOON, UNIT, ByHand(Version(1, 5, 0), WANT.generation)) is None
    assert when(WANT, replace(PLUGGED, phase=UpdatePhase.FAILED), NOON, UNIT, HERE) is None
