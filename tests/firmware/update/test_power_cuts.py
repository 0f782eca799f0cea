"""Power cuts: at every file operation of a whole update, and in the middle of every write. Never a brick, always an end.

A child process runs the updater and dies, without any clean-up, at its n-th operation on the unit's files; then the
machine is powered on as systemd-boot would. The old slot's bytes must be untouched, some good version must start, and
a last undisturbed run must arrive at what was wanted.
"""

import shutil

import pytest

from omamori.firmware.update.slots import SlotDisk
from tests.firmware.update.cuts import cut_off


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_a_cut_at_any_step_of_staging_leaves_a_unit_that_starts_and_converges(unit, fleet):
    """The unit has been through one update, so that both slots hold something that starts."""
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.power_on()
    unit.start_services()
    assert (unit.slot, unit.phase) == ("b", "committed")
    running = unit.version
    fleet.release("1.2.0")
    fleet.release_pack("2026.11.1")
    unit.want(firmware="1.2.0", pack="2026.11.1")
    pristine, old = unit.root.with_name("pristine"), unit.slot_bytes("b")
    shutil.copytree(unit.root, pristine, symlinks=True)
    cuts = 0
    for count in range(1, 400):
        shutil.rmtree(unit.root)
        shutil.copytree(pristine, unit.root, symlinks=True)
        if not cut_off(unit.root, count, unit.run):
            break
        cuts += 1
        assert unit.slot_bytes("b") == old, f"cut {count} touched the running slot"
        assert unit.every_entry_starts(), f"cut {count} left an entry that does not start"
        unit.boots.clear()
        version = unit.power_on()
        assert version in {"1.1.0", "1.2.0"}
        unit.start_services()
        assert unit.run(), f"cut {count}: {unit.error}"
        if version == "1.1.0":
            assert unit.phase == "staged", f"cut {count}"
            assert unit.power_on() == "1.2.0"
            unit.start_services()
        assert (unit.phase, unit.state["pack"]) == ("committed", "2026.11.1"), f"cut {count}"
        unit.version, unit.slot, unit.loaded = running, "b", "0.9.0"
    assert cuts > 25


@pytest.mark.parametrize("label", ["root-b", "hash-b", "entry"])
@pytest.mark.parametrize("after", [0, 1, 17_000])
def test_a_cut_in_the_middle_of_a_write(unit, fleet, power_cut, label, after):
    class Cut:
        """Gives `after` bytes, then the power goes."""

        def __init__(self, source) -> None:
            self.source, self.given = source, 0

        def read(self, size: int = -1) -> bytes:
            if self.given >= after:
                raise power_cut
            content = self.source.read(min(size, after - self.given))
            self.given += len(content)
            return content

    class Cutting(SlotDisk):
        def write(self, where, source, size) -> None:
            super().write(where, Cut(source) if where == label else source, size)

        def install(self, name, source, slot, version) -> None:
            super().install(name, Cut(source) if label == "entry" else source, slot, version)

    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    old = unit.slot_bytes("a")
    with pytest.raises(power_cut):
        unit.run(disk=Cutting(unit.paths, "a"))
    assert unit.slot_bytes("a") == old
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    assert unit.phase == "downloading"
    assert unit.run()
    assert unit.names == {"omamori-1.0.0.efi", "omamori-1.1.0+3.efi"}
    assert unit.power_on() == "1.1.0"


def test_a_cut_between_the_order_and_the_restart_is_just_the_restart(unit, fleet, power_cut):
    def cut() -> None:
        raise power_cut

    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    with pytest.raises(power_cut):
        unit.updater(reboot=cut).apply()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.phase == "committed"


def test_cuts_during_the_trial_use_up_tries_and_end_on_the_old_slot(unit, fleet):
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    unit.run()
    unit.updater().apply()
    for _ in range(3):
        assert unit.power_on() == "1.1.0"
    assert unit.power_on() == "1.0.0"
    unit.start_services()
    assert (unit.phase, unit.error) == ("failed", "trial: did not start")
