"""Two copies of the boot loader, a firmware that is told of one (machine.py), rot in either, and another boot loader that comes with an update."""

import io
import shutil
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host.paths import Paths
from omamori.firmware.update import bootloader
from omamori.firmware.update.errors import BadBundle, SlotProblem
from omamori.protocol.version import Version
from omamori.signing import downgrade
from tests.firmware.update.cuts import cut_off
from tests.firmware.update.machine import FIRST, GLOBAL, LOADER, OLD, SECOND, Machine

NEW = b"MZ, the boot loader of an update"
ROT = b"MZ, the boot l0ader of the factory"
COPIES = [FIRST, SECOND]


@pytest.fixture
def machine(tmp_path):
    """It was started, and healthy, so often that nothing is left to do."""
    made = Machine(tmp_path / "machine")
    for _ in range(2):
        made.start()
        healthy(made)
    return made


def healthy(machine):
    """What is said at the end of a good start."""
    said = []
    bootloader.mend(machine.paths, lambda _, text: said.append(text))
    return said


def bring(machine, content=NEW, *, signed=True):
    if signed:
        machine.signed.add(content)
    bootloader.bring(machine.paths, io.BytesIO(content))


def both(machine):
    return [machine.read(copy) for copy in COPIES]


def test_the_firmware_is_told_once_and_tries_the_first_copy_from_then_on(tmp_path):
    machine = Machine(tmp_path)
    assert machine.start() == SECOND
    assert healthy(machine) == []
    assert machine.start() == FIRST
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert healthy(machine) == []
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("rot", [ROT, b"", None])
@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_that_rots_keeps_nobody_from_starting_and_is_replaced(machine, copy, rot):
    if rot is None:
        (machine.esp / copy).unlink()
    else:
        machine.write(copy, rot)
    began = machine.start()
    assert began != copy
    (said,) = healthy(machine)
    assert "not what it should be" in said
    assert f"{copy.rpartition('/')[2]} is now the same" in said
    assert both(machine) == [OLD, OLD]
    assert machine.start() == FIRST
    assert machine.starts == [FIRST]
    assert healthy(machine) == []


@pytest.mark.parametrize("began", COPIES)
def test_bits_that_turn_after_the_start_are_not_spread(tmp_path, began):
    """The copy that this start began with was whole when the firmware read it; the sum says which of them still is."""
    machine = Machine(tmp_path)
    machine.start()
    healthy(machine)
    if began == FIRST:
        machine.start()
    machine.write(began, ROT)
    healthy(machine)
    assert both(machine) == [OLD, OLD]


@pytest.mark.parametrize("kept", [b"", b"0" * 64 + b"\n", b"\xff" * 200, b"../../etc/passwd\n"])
@pytest.mark.parametrize("copy", COPIES)
def test_without_a_sum_the_copy_that_was_started_is_believed(machine, copy, kept):
    machine.write("EFI/systemd/loader.sha256", kept)
    machine.write(copy, ROT)
    machine.start()
    healthy(machine)
    assert both(machine) == [OLD, OLD]
    assert len(machine.read("EFI/systemd/loader.sha256")) == 65


def test_a_machine_that_lost_its_variables_starts_and_is_told_again(machine):
    machine.lose_variables()
    assert machine.start() == SECOND
    healthy(machine)
    assert machine.start() == FIRST


def test_an_option_of_ours_that_is_no_longer_right_is_used_again(machine):
    (machine.root / "sys/class/block/sda1/start").write_text("4096\n")
    healthy(machine)
    numbers = sorted(path.name[:8] for path in machine.variables.glob(f"Boot0*-{GLOBAL}"))
    assert numbers == ["Boot0000", "Boot0001"]


def test_another_loader_is_tried_once_and_taken_for_both_when_the_start_was_healthy(machine):
    bring(machine)
    assert both(machine) == [NEW, OLD]
    assert machine.start() == FIRST
    assert both(machine) == [NEW, OLD]
    assert healthy(machine) == [
        "an update's boot loader has started: BOOTX64.EFI is now the same as systemd-bootx64.efi"
    ]
    assert both(machine) == [NEW, NEW]
    assert machine.start() == FIRST


def test_another_loader_is_not_taken_for_both_before_a_start_has_begun_with_it(machine):
    """A version that takes over without a restart of the machine is healthy, too, in a boot that began with the loader before."""
    bring(machine, signed=False)
    assert healthy(machine) == []
    assert both(machine) == [NEW, OLD]
    assert machine.start() == SECOND


def test_of_two_that_are_brought_before_a_start_the_second_is_tried(machine):
    bring(machine, signed=False)
    better = NEW + b", mended"
    bring(machine, better)
    assert both(machine) == [better, OLD]
    assert machine.start() == FIRST
    healthy(machine)
    assert both(machine) == [better, better]


def test_no_loader_is_brought_while_the_one_to_fall_back_to_is_damaged(machine):
    machine.write(SECOND, ROT)
    bring(machine, signed=False)
    assert both(machine) == [OLD, ROT]
    assert machine.start() == FIRST


@pytest.mark.parametrize("fault", ["refused", "hangs"])
def test_another_loader_that_does_not_start_is_left_for_the_one_before(machine, fault):
    bring(machine, signed=fault == "hangs")
    if fault == "hangs":
        machine.hangs.add(NEW)
    assert machine.start() == SECOND
    assert machine.starts == [f"-{FIRST}", SECOND]
    (said,) = healthy(machine)
    assert said.startswith("an update's boot loader did not start, or its version was not kept")
    assert both(machine) == [OLD, OLD]
    assert machine.start() == FIRST
    better = NEW + b", mended"
    bring(machine, better)
    assert machine.start() == FIRST
    healthy(machine)
    assert both(machine) == [better, better]


def test_a_loader_whose_version_was_not_kept_leaves_two_ways_to_start(machine):
    """It was tried once; the version that brought it had more tries, which began with the loader before."""
    bring(machine)
    assert [machine.start(), machine.start()] == [FIRST, SECOND]
    healthy(machine)
    assert both(machine) == [OLD, OLD]
    machine.write(SECOND, ROT)
    assert machine.start() == FIRST


def test_where_nothing_is_known_to_be_right_nothing_is_written(machine):
    bring(machine, signed=False)
    assert machine.start() == SECOND
    machine.write(SECOND, ROT)
    (said,) = healthy(machine)
    assert "left as they are" in said
    assert both(machine) == [NEW, ROT]


def test_the_same_loader_changes_nothing(machine):
    before = {path: path.stat().st_mtime_ns for path in machine.root.rglob("*")}
    bring(machine, OLD)
    assert before == {path: path.stat().st_mtime_ns for path in machine.root.rglob("*")}


def test_a_firmware_that_cannot_be_told_keeps_the_loader_it_has(machine):
    (machine.variables / f"BootNext-{GLOBAL}").mkdir()
    bring(machine)
    assert both(machine) == [OLD, OLD]


@pytest.mark.parametrize("content", [b"", b"ELF", b"MZ" + bytes(bootloader.CAP)])
def test_what_is_no_loader_is_not_brought(machine, content):
    with pytest.raises(BadBundle):
        bring(machine, content)
    assert both(machine) == [OLD, OLD]


def test_a_full_boot_partition_is_told_and_costs_no_copy(machine, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    machine.write(SECOND, ROT)
    monkeypatch.setattr(bootloader.os, "fsync", full)
    with pytest.raises(SlotProblem, match="No space left"):
        healthy(machine)
    assert both(machine) == [OLD, ROT]
    assert not list(machine.esp.rglob("*.partial"))


def test_a_machine_without_efi_is_left_alone(tmp_path):
    bootloader.mend(Paths(tmp_path), lambda *_: pytest.fail("nothing to say"))
    bootloader.bring(Paths(tmp_path), io.BytesIO(NEW))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("mending", [False, True])
def test_a_power_cut_at_any_change_leaves_a_machine_that_starts_and_arrives(machine, mending, signed):
    """While another loader is brought, and while it is taken for both."""
    if mending:
        bring(machine, signed=signed)
        machine.start()
    machine.signed |= {NEW} if signed else set()
    pristine = machine.root.with_name("pristine")
    shutil.copytree(machine.root, pristine, symlinks=True)
    act = (
        (lambda: healthy(machine)) if mending else (lambda: bootloader.bring(machine.paths, io.BytesIO(NEW)))
    )
    cuts = 0
    while True:
        shutil.rmtree(machine.root)
        shutil.copytree(pristine, machine.root, symlinks=True)
        if not cut_off(machine.root, cuts + 1, act):
            break
        cuts += 1
        for _ in range(2):
            machine.start()
            healthy(machine)
        machine.start()
        assert both(machine)[1] in machine.signed
        bring(machine, NEW + b" again")
        machine.start()
        healthy(machine)
        assert both(machine) == [NEW + b" again"] * 2
    assert cuts >= 5


junk = st.binary(max_size=200)


@settings(max_examples=200)
@given(st.data())
def test_whatever_the_variables_and_the_sum_hold_costs_no_loader(tmp_path_factory, data):
    machine = Machine(tmp_path_factory.mktemp("junk"))
    machine.start()
    healthy(machine)
    for name in ("BootOrder", "Boot0000", "Boot0001", "BootNext", "Boot00ZZ"):
        if data.draw(st.booleans()):
            machine.set(name, data.draw(junk))
    if data.draw(st.booleans()):
        machine.set("LoaderDevicePartUUID", data.draw(junk), LOADER)
    if data.draw(st.booleans()):
        identifier = data.draw(junk | st.just("\\EFI\\BOOT\\BOOT..\\..\\x.efi\0".encode("utf-16-le")))
        machine.set("LoaderImageIdentifier", identifier, LOADER)
    machine.write("EFI/systemd/loader.sha256", data.draw(junk))
    healthy(machine)
    bring(machine)
    healthy(machine)
    assert both(machine)[1] in {OLD, NEW}


@pytest.fixture
def equipped(updated):
    """The unit of files, on a machine with both copies."""
    machine = Machine(updated.root / "aside")
    for part in ("efi", "sys/class/block", "dev/sda1", "dev/disk/by-partlabel/esp"):
        source, target = machine.root / part, updated.root / part
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target, follow_symlinks=False)
    machine.start()
    for path in machine.variables.iterdir():
        shutil.copy(path, updated.initrd.variables)
    machine.root, machine.paths = updated.root, updated.paths
    machine.esp, machine.variables = updated.root / "efi", updated.initrd.variables
    return updated, machine


def test_the_updater_brings_the_loader_of_a_newer_version_and_takes_it_once_that_is_healthy(equipped, fleet):
    unit, machine = equipped
    unit.start_services()
    fleet.release("1.2.0", loader=NEW)
    machine.signed.add(NEW)
    unit.want(firmware="1.2.0", generation=2)
    unit.run()
    assert (unit.phase, both(machine)) == ("staged", [NEW, OLD])
    machine.start()
    assert unit.power_on() == "1.2.0"
    unit.start_services()
    assert (unit.phase, both(machine)) == ("committed", [NEW, NEW])


def test_an_older_version_does_not_bring_its_loader(equipped, fleet):
    unit, machine = equipped
    fleet.release("1.0.0", loader=NEW)
    downgrade.allow(
        fleet.repository, "test", Version.parse("1.0.0"), [Version.parse("1.1.0")], datetime.now(UTC)
    )
    fleet.publish()
    unit.want(firmware="1.0.0", generation=2)
    unit.run()
    assert (unit.phase, both(machine)) == ("staged", [OLD, OLD])


def test_a_loader_that_cannot_be_mended_is_told_and_costs_nothing_else(equipped):
    unit, machine = equipped
    (machine.esp / SECOND).unlink()
    (machine.esp / SECOND).mkdir()
    (machine.esp / SECOND / "in the way").touch()
    machine.set("LoaderImageIdentifier", "\\EFI\\systemd\\systemd-bootx64.efi\0".encode("utf-16-le"), LOADER)
    unit.start_services()
    assert any("cannot write BOOTX64.EFI" in line for line in unit.log)
    assert (unit.state["healthy"], unit.phase) == (True, "committed")
