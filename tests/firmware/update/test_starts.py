"""A committed slot that does not become healthy any more: the initrd's count, what the unit makes of it, and the way back."""

import fcntl
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.firmware.host.paths import Paths
from omamori.firmware.update import starts
from omamori.firmware.update.starts import LIMIT, VARIABLE, Starts, decode, encode
from tests.firmware.update.initrd import A, B
from tests.firmware.update.unit import Panic

counts = st.integers(0, 9)
PASSED_OVER = ["panic"] * LIMIT + ["restart", "a"]


@given(counts, counts)
def test_counts_survive_their_writing(a, b):
    assert decode(encode(Starts(a, b))) == Starts(a, b)


@given(st.binary(max_size=80) | st.binary(max_size=4).map(lambda tail: b"\7\0\0\0a1b2" + tail))
def test_whatever_the_variable_holds_is_counts_or_none(variable):
    found = decode(variable)
    assert found == Starts() or variable[4:] == encode(found)[4:]


def test_a_machine_without_such_variables_is_never_counted(tmp_path):
    assert starts.read(Paths(tmp_path)) == Starts()
    starts.forget(Paths(tmp_path))
    assert not list(tmp_path.iterdir())


def counted(unit):
    return starts.read(unit.paths)


def test_a_slot_that_rots_is_passed_over_told_and_staged_afresh(updated):
    unit = updated
    unit.patch("root-b", b"bit rot")
    assert unit.power_on() == "1.0.0"
    assert unit.boots == PASSED_OVER
    unit.start_services()
    assert (unit.phase, unit.state["update"]["version"]) == ("failed", "1.1.0")
    assert unit.error.startswith(f"slot: 1.1.0 in slot b was started {LIMIT} times in a row")
    assert any(unit.error in line for line in unit.log)
    assert counted(unit) == Starts()
    assert unit.run()
    assert (unit.phase, unit.error) == ("staged", "")
    unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert (unit.phase, unit.state["slot"]) == ("committed", "b")


def test_rot_that_no_start_reads_is_met_before_the_start_counts_as_good(updated):
    """A unit that panics some minutes after each start, for ever, is what would become of it else."""
    unit = updated
    unit.late.add("b")
    for times in range(1, LIMIT + 1):
        assert unit.power_on() == "1.1.0"
        with pytest.raises(Panic):
            unit.start_services()
        assert counted(unit) == Starts(b=times)
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    assert unit.error.startswith(f"slot: 1.1.0 in slot b was started {LIMIT} times in a row")
    unit.late.clear()
    unit.run()
    assert (unit.power_on(), unit.phase) == ("1.1.0", "staged")


def test_a_root_that_cannot_be_read_to_the_end_is_told_and_forgets_nothing(updated):
    unit = updated
    assert unit.power_on() == "1.1.0"
    number = unit.root.stat().st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    (unit.root / "sys/dev/block" / name / "dm").mkdir(parents=True)
    unit.start_services()
    assert any("the root cannot be read" in line for line in unit.log)
    assert counted(unit) == Starts(b=1)
    unit.write(f"dev/{name}", bytes(3_000_000))
    unit.start_services()
    assert counted(unit) == Starts()


def test_healthy_starts_are_forgotten(updated):
    unit = updated
    for _ in range(LIMIT + 2):
        assert unit.power_on() == "1.1.0"
        assert counted(unit) == Starts(b=1)
        unit.start_services()
        assert counted(unit) == Starts()
    assert unit.boots == ["b"] * (LIMIT + 2)


def test_whoever_switches_off_too_early_again_and_again_gets_the_wanted_version_back(updated):
    unit = updated
    for _ in range(LIMIT):
        assert unit.power_on() == "1.1.0"
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    unit.run()
    assert unit.phase == "staged"
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert (unit.phase, counted(unit)) == ("committed", Starts())


def test_a_slot_that_is_passed_over_again_is_told_again(updated):
    unit = updated
    for _ in range(2):
        unit.patch("root-b", b"bit rot")
        assert unit.power_on() == "1.0.0"
        unit.start_services()
        assert unit.phase == "failed"
        unit.run()
        assert unit.power_on() == "1.1.0"
        unit.start_services()
        assert unit.phase == "committed"


def test_a_lost_journal_hides_nothing(updated):
    unit = updated
    (unit.paths.update / "journal.json").unlink()
    unit.patch("root-b", b"bit rot")
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    assert (unit.phase, unit.state["update"]["version"], unit.names) == ("failed", "1.1.0", {A})


def test_an_older_version_that_was_ordered_and_rots_gives_way_to_the_one_set_aside(updated):
    """The newer one carries `+0` then: the boot loader counts it, and the gate blesses it."""
    unit = updated
    (unit.esp / B).rename(unit.esp / "omamori-1.1.0+0.efi")
    unit.patch("root-a", b"bit rot")
    assert unit.power_on() == "1.1.0"
    assert unit.boots == [*PASSED_OVER[:-1], "b"]
    unit.start_services()
    assert unit.error.startswith("slot: 1.0.0 in slot a was started")
    assert (unit.names, counted(unit)) == ({B}, Starts())


def test_a_run_under_way_keeps_no_count(updated):
    unit = updated
    assert unit.power_on() == "1.1.0"
    lock = (unit.paths.update / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    threading.Timer(1.0, lock.close).start()
    unit.updater().committed()
    assert (counted(unit), unit.state["healthy"]) == (Starts(), True)


def test_of_two_damaged_slots_each_gets_its_turn(updated):
    unit = updated
    good = (unit.root / "dev/disk/by-partlabel/root-a").read_bytes()
    for slot in "ab":
        unit.patch(f"root-{slot}", b"bit rot")
    with pytest.raises(AssertionError, match="bricked"):
        unit.power_on()
    started = [boot for boot in unit.boots if boot != "restart"]
    assert len(started) >= 7
    assert unit.boots[:5] == ["panic"] * LIMIT + ["restart", "panic"]
    assert unit.boots[5:8] == ["panic", "restart", "panic"]
    unit.patch("root-a", good)
    assert unit.power_on() == "1.0.0"


def test_with_an_empty_other_slot_the_only_one_is_tried_for_ever(unit):
    unit.initrd.equip()
    good = (unit.root / "dev/disk/by-partlabel/root-a").read_bytes()
    unit.patch("root-a", b"bit rot")
    with pytest.raises(AssertionError, match="bricked"):
        unit.power_on()
    assert "restart" not in unit.boots
    assert counted(unit) == Starts(a=9)
    assert (
        "slot a was started 9 times in a row and never became healthy: there is no other" in unit.initrd.run()
    )
    unit.patch("root-a", good)
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    assert counted(unit) == Starts()


def test_what_is_staged_is_a_trial_and_not_counted(updated, fleet):
    unit = updated
    fleet.release("1.2.0")
    unit.want(firmware="1.2.0", generation=2)
    unit.power_on()
    unit.start_services()
    unit.run()
    unit.patch("root-a", b"bit rot")
    assert unit.power_on() == "1.1.0"
    assert unit.boots[-4:] == ["panic", "panic", "panic", "b"]
    unit.start_services()
    assert (unit.phase, unit.error) == ("failed", "trial: did not start")


@pytest.mark.parametrize(
    "content",
    [b"", b"\7\0\0\0", b"\7\0\0\0a9", b"\7\0\0\0b3a3", b"\xff" * 60, b"\7\0\0\0axb3", b"\n\n\n\n$(reboot)"],
)
def test_a_damaged_count_begins_anew(initrd, tmp_path, content):
    (initrd.variables / VARIABLE).write_bytes(content)
    assert not initrd.restarts(B, "b", [B, A])
    assert starts.read(Paths(tmp_path)) == Starts(b=1)
