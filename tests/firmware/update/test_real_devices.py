"""The same update on real block devices: loop devices instead of files. (FAT is left to the booted image: not every
kernel that runs these tests has it.)
"""

import subprocess
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.root


def output(*words: object) -> str:
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def devices(unit) -> Iterator:
    """Puts loop devices behind the labels of the other slot."""
    loops: list[str] = []
    labels, images = unit.root / "dev/disk/by-partlabel", unit.root.with_name("images")
    images.mkdir()
    try:
        for label in ("root-b", "hash-b"):
            (images / label).write_bytes(bytes(400 * 1024))
            (labels / label).unlink()
            loops.append(output("losetup", "--find", "--show", images / label))
            (labels / label).symlink_to(loops[-1])
        yield unit
    finally:
        for loop in loops:
            output("losetup", "--detach", loop)


def test_an_update_on_block_devices(devices, fleet):
    fleet.release("1.1.0")
    devices.want(firmware="1.1.0")
    assert devices.run(), devices.error
    assert devices.updater().apply()
    assert devices.power_on() == "1.1.0"
    devices.start_services()
    assert (devices.phase, devices.state["slot"]) == ("committed", "b")


def test_a_device_that_is_too_small_is_named(devices, fleet):
    label = devices.root / "dev/disk/by-partlabel/root-b"
    label.unlink()
    label.symlink_to((devices.root / "dev/disk/by-partlabel/hash-b").readlink())
    output("truncate", "--size", 100 * 1024, devices.root.with_name("images") / "hash-b")
    output("losetup", "--set-capacity", label.readlink())
    fleet.release("1.1.0")
    devices.want(firmware="1.1.0")
    assert not devices.run()
    assert devices.error == "bundle: 300,000 bytes do not fit partition root-b of 102,400"
