"""A committed slot that does not become healthy any more: the initrd's count, what the unit makes of it, and the way back."""

import fcntl
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.firmware.host.paths import Paths
from omamori.firmware.update import loader, starts
from omamori.firmware.update.starts import LIMIT, VARIABLE, Starts, decode, encode
from omamori.protocol.version import Version
from omamori.signing import downgrade
from tests.firmware.update.initrd import Initrd

counts = st.integers(0, 9)
A, B = "omamori-1.0.0.efi", "omamori-1.1.0.efi"
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


@pytest.fixture
def initrd(tmp_path):
    """Alone, with variables."""
    made = Initrd(tmp_path)
    made.equip()
    return made


@pytest.fixture
def updated(unit, fleet):
    """1.1.0 is committed in slot b, 1.0.0 is still in slot a."""
    unit.initrd.equip()
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.phase == "committed"
    unit.boots.clear()
    return unit


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
    ("name", "taken"),
    [
        (A, True),
        ("omamori-1.0.0+0.efi", True),
        ("omamori-1.0.0+0-3.efi", False),
        ("omamori-1.0.0+0-0.efi", False),
    ],
)
def test_only_an_entry_that_was_good_once_is_taken(updated, name, taken):
    """The boot loader tells no difference between them."""
    unit = updated
    (unit.esp / A).rename(unit.esp / name)
    unit.start_services()
    unit.patch("root-b", b"bit rot")
    if taken:
        assert unit.power_on() == "1.0.0"
        return
    with pytest.raises(AssertionError, match="bricked"):
        unit.power_on()
    assert set(unit.boots) == {"panic"}
    assert told(unit) == ("", "")


@pytest.fixture
def ordered_back(settled, fleet):
    """1.0.0 runs in slot a once more, by order; 1.1.0 is set aside in slot b."""
    unit = settled
    fleet.release("1.0.0")
    newer = [Version.parse("1.1.0")]
    downgrade.allow(fleet.repository, "test", Version.parse("1.0.0"), newer, datetime.now(UTC))
    fleet.publish()
    unit.want(firmware="1.0.0", generation=2)
    unit.run()
    assert (unit.phase, unit.names) == ("staged", {"omamori-1.0.0+3.efi", "omamori-1.1.0+0.efi"})
    return unit


def test_an_older_version_that_failed_its_trial_is_not_told_as_the_other_one(ordered_back):
    unit = ordered_back
    unit.dead.add("a")
    for _ in range(3):
        assert unit.power_on() == "1.1.0"
        assert told(unit) == ("", "")
        unit.start_services()
        assert unit.error == "trial: did not start"
    assert unit.boots == ["panic"] * 3 + ["b"] * 3


def test_a_version_that_was_good_once_and_failed_when_it_was_staged_again_is_not_either(ordered_back):
    """The boot loader lists it by the name it had when it was good."""
    unit = ordered_back
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    assert (unit.power_on(), told(unit)) == ("1.0.0", (A, B))
    unit.want(firmware="1.1.0", generation=3)
    unit.run()
    assert (unit.phase, unit.names) == ("staged", {A, "omamori-1.1.0+3.efi"})
    unit.dead.add("b")
    assert (unit.power_on(), told(unit)) == ("1.0.0", ("", ""))


def test_what_a_healthy_boot_writes_is_left_open_in_a_trial_too(updated):
    """The kernel guards such variables, and the update process may not lift that."""
    unit = updated
    assert counted(unit) == Starts()
    assert not {loader.GOOD, VARIABLE} & unit.initrd.held()
    assert (unit.initrd.variables / loader.GOOD).read_bytes() == loader.ATTRIBUTES + f"{A} {B}\n".encode()


@pytest.mark.parametrize(
    ("other", "taken"),
    [
        (A, A),
        ("omamori-1.3.0-rc.1.efi", "omamori-1.3.0-rc.1.efi"),
        ("omamori-$(reboot).efi", ""),
        ("omamori-%s.efi", ""),
        ("omamori-\\n.efi", ""),
        ("*", ""),
    ],
)
def test_an_entry_of_an_odd_name_is_not_taken(initrd, other, taken):
    (initrd.variables / VARIABLE).write_bytes(encode(Starts(b=LIMIT)))
    (initrd.variables / loader.GOOD).write_bytes(loader.ATTRIBUTES + f"{B} {other}\n".encode())
    assert initrd.restarts(B, "b", [B, other]) == bool(taken)
    assert initrd.one_shot() == taken


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\7\0\0\0",
        b"\7\0\0\0\n",
        b"\7\0\0\0" + A.encode()[:-1],
        b"\xff" * 60,
        b"\n\n\n\n*",
        b"\7\0\0\0? * [a-z]*\n",
        b"\7\0\0\0" + A.encode() * 2 + b"\n",
    ],
)
def test_a_damaged_list_of_the_good_names_nothing(initrd, content):
    (initrd.variables / VARIABLE).write_bytes(encode(Starts(b=LIMIT)))
    (initrd.variables / loader.GOOD).write_bytes(content)
    assert not initrd.restarts(B, "b", [B, A])
    assert (initrd.told("OneShot"), initrd.told("Default")) == ("", "")


@pytest.mark.parametrize(
    "content",
    [b"", b"\7\0\0\0", b"\7\0\0\0a9", b"\7\0\0\0b3a3", b"\xff" * 60, b"\7\0\0\0axb3", b"\n\n\n\n$(reboot)"],
)
def test_a_damaged_count_begins_anew(initrd, tmp_path, content):
    (initrd.variables / VARIABLE).write_bytes(content)
    assert not initrd.restarts(B, "b", [B, A])
    assert starts.read(Paths(tmp_path)) == Starts(b=1)


@pytest.fixture
def settled(updated):
    """And was started once more since: until then the boot loader has not been told anything."""
    assert updated.power_on() == "1.1.0"
    updated.start_services()
    updated.boots.clear()
    return updated


def told(unit):
    return unit.initrd.told("OneShot"), unit.initrd.told("Default")


def test_the_boot_loader_is_told_the_slot_that_runs_and_what_to_take_without_it(settled):
    assert told(settled) == (B, A)
    assert settled.power_on() == "1.1.0"
    assert (settled.boots, told(settled)) == (["b"], (B, A))
    assert all("Selected" in name or "Entries" in name for name in settled.initrd.held())


@pytest.mark.parametrize(("harm", "boot"), [("refused", "refused"), ("dead", "panic")])
def test_a_boot_image_that_never_gets_to_the_count_is_passed_over_told_and_staged_afresh(settled, harm, boot):
    unit = settled
    getattr(unit, harm).add("b")
    assert unit.power_on() == "1.0.0"
    assert unit.boots == [boot, "restart", boot, "restart", boot, "a"]
    unit.boots.clear()
    assert unit.power_on() == "1.0.0", "the power went before anybody heard of it"
    assert unit.boots == [boot, "a"]
    unit.start_services()
    assert unit.phase == "failed"
    assert unit.error.startswith(f"slot: 1.1.0 in slot b was started {LIMIT} times in a row")
    assert counted(unit) == Starts()
    getattr(unit, harm).clear()
    unit.run()
    assert unit.phase == "staged"
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert (unit.phase, unit.names) == ("committed", {A, B})


def test_a_start_cut_short_before_the_initrd_costs_a_restart_and_no_more(settled):
    unit = settled
    unit.initrd.one_shot()  # the boot loader took it, and the power went
    assert unit.power_on() == "1.1.0"
    assert unit.boots == ["restart", "b"]
    unit.start_services()
    assert (counted(unit), told(unit)) == (Starts(), (B, A))


def test_a_damaged_boot_image_of_the_other_slot_changes_nothing(settled):
    unit = settled
    unit.refused.add("a")
    for _ in range(LIMIT + 1):
        assert unit.power_on() == "1.1.0"
        unit.start_services()
    assert set(unit.boots) == {"b"}


def test_what_the_boot_loader_was_told_is_over_before_a_trial_is_there(settled, fleet):
    unit = settled
    fleet.release("1.2.0")
    unit.want(firmware="1.2.0", generation=2)
    unit.run()
    assert (unit.phase, told(unit)) == ("staged", ("", ""))
    assert unit.power_on() == "1.2.0"
    unit.start_services()
    assert unit.phase == "committed"


def test_a_boot_loader_that_cannot_be_told_keeps_what_it_has_and_nothing_is_staged(settled, fleet):
    unit = settled
    once = next(unit.initrd.variables.glob("LoaderEntryOneShot-*"))
    once.unlink()
    once.mkdir()
    (once / "in the way").touch()
    fleet.release("1.2.0")
    unit.want(firmware="1.2.0", generation=2)
    unit.run()
    assert unit.error.startswith("slot: cannot leave the choice to the boot loader")
    assert unit.names == {B}


@pytest.mark.parametrize("name", ["omamori-$(reboot).efi", "omamori-%s.efi", ""])
def test_an_entry_of_an_odd_name_is_never_told(initrd, name):
    assert not initrd.restarts(name, "b", [name, A])
    assert (initrd.told("OneShot"), initrd.told("Default")) == ("", "")
