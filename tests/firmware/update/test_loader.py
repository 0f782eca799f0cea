"""What the boot loader is told to take: by the initrd, by a healthy boot, and before a trial."""

from datetime import UTC, datetime

import pytest

from omamori.firmware.update import loader, starts
from omamori.firmware.update.starts import LIMIT, VARIABLE, Starts, encode
from omamori.protocol.version import Version
from omamori.signing import downgrade
from tests.firmware.update.initrd import A, B


@pytest.fixture
def settled(updated):
    """And was started once more since: until then the boot loader has not been told anything."""
    assert updated.power_on() == "1.1.0"
    updated.start_services()
    updated.boots.clear()
    return updated


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


def told(unit):
    return unit.initrd.told("OneShot"), unit.initrd.told("Default")


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
    assert starts.read(unit.paths) == Starts()
    assert not {loader.GOOD, VARIABLE} & unit.initrd.held()
    assert (unit.initrd.variables / loader.GOOD).read_bytes() == loader.ATTRIBUTES + f"{A} {B}\n".encode()


def test_a_list_of_the_good_that_cannot_be_written_is_told_and_costs_nothing_else(updated):
    unit = updated
    good = unit.initrd.variables / loader.GOOD
    good.unlink()
    good.mkdir()
    unit.start_services()
    assert any("cannot say which boot entries are good" in line for line in unit.log)
    assert (starts.read(unit.paths), unit.state["healthy"], unit.phase) == (Starts(), True, "committed")


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
    assert starts.read(unit.paths) == Starts()
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
    assert (starts.read(unit.paths), told(unit)) == (Starts(), (B, A))


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
