"""Full disks, for real: small file systems mounted where the data and the boot partition would be."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from omamori.firmware.update import starts, trust

pytestmark = pytest.mark.root


@pytest.fixture
def small() -> Iterator:
    """Mounts a tmpfs of some kilobytes over a directory, content kept."""
    mounted: list[Path] = []

    def mount(place: Path, kilobytes: int) -> None:
        kept = {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "omamori-test", place], check=True
        )
        mounted.append(place)
        for path, content in kept.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def test_no_room_for_the_download(unit, fleet, small):
    small(unit.paths.update, trust.RESERVE // 1024 + 100)
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    assert not unit.run()
    assert unit.phase == "downloading"
    assert unit.error.startswith("disk: 430,080 bytes to fetch")
    assert list((unit.paths.update / "downloads").iterdir()) == []


def test_a_disk_that_fills_up_while_downloading_is_cleaned(unit, fleet, small):
    """Someone else takes the room after it was looked for."""
    small(unit.paths.update, trust.RESERVE // 1024 + 1000)
    fleet.release("1.1.0")
    hog = unit.paths.update / "hog"

    def fill(handler) -> None:
        hog.write_bytes(bytes(trust.RESERVE + 700_000))
        handler.whole()

    fleet.server.faults[".bundle"] = fill
    unit.want(firmware="1.1.0")
    assert not unit.run()
    assert unit.error.startswith("disk: firmware/test-1.1.0.bundle: no room")
    assert list((unit.paths.update / "downloads").iterdir()) == []
    hog.unlink()
    fleet.server.faults.clear()
    assert unit.run()
    assert unit.phase == "staged"


def test_not_a_byte_left_stops_nothing_and_is_said(unit, fleet, small):
    small(unit.paths.update, 64)
    with pytest.raises(OSError, match="No space"):
        (unit.paths.update / "hog").write_bytes(bytes(1_000_000))
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    with pytest.raises(Exception, match="disk: no room"):
        unit.run()
    (unit.paths.update / "hog").unlink()
    assert unit.power_on() == "1.0.0"


def test_a_full_boot_partition_leaves_the_old_entry_alone(unit, fleet, small):
    small(unit.root / "efi", 80)
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    assert not unit.run()
    assert unit.error == "disk: no room on the boot partition for another boot image"
    assert unit.names == {"omamori-1.0.0.efi"}
    assert unit.power_on() == "1.0.0"


def test_a_full_pack_partition_keeps_the_pack_in_force(unit, fleet, small):
    small(unit.paths.state, trust.RESERVE // 1024 + 400)
    fleet.release_pack("2026.11.1", size=100_000)
    unit.want(pack="2026.11.1")
    assert unit.run()
    fleet.release_pack("2026.11.2", size=400_000)
    unit.want(pack="2026.11.2")
    assert not unit.run()
    assert unit.error.startswith("disk: 400,000 bytes to fetch")
    assert unit.state["pack"] == "2026.11.1"


def test_a_unit_without_a_byte_left_is_healthy_and_does_not_leave_its_slot(unit, fleet, small):
    unit.initrd.equip()
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    assert unit.run()
    unit.updater().apply()
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.phase == "committed"
    fill(unit, small)
    for _ in range(starts.LIMIT + 1):
        assert unit.power_on() == "1.1.0"
        unit.start_services()
        assert starts.read(unit.paths) == starts.Starts()


def test_a_trial_without_a_byte_left_is_kept(unit, fleet, small):
    """Whoever fills the disk is not the new version's fault."""
    fleet.release("1.1.0")
    unit.want(firmware="1.1.0")
    assert unit.run()
    unit.updater().apply()
    fill(unit, small)
    assert unit.power_on() == "1.1.0"
    unit.start_services()
    assert unit.boots[-1] == "b"
    assert unit.names == {"omamori-1.0.0.efi", "omamori-1.1.0.efi"}
    (unit.paths.update / "hog").unlink()
    unit.run()
    assert unit.phase == "committed"


def fill(unit, small) -> None:
    """Not a byte is left below the data partition."""
    small(unit.paths.state, 1024)
    with pytest.raises(OSError, match="No space"):
        (unit.paths.update / "hog").write_bytes(bytes(2_000_000))
