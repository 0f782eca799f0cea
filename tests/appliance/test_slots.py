"""Two slots: a good version is kept, one that cannot start or is never healthy is left again by itself.

Through everything a unit has: signed metadata, download, the boot loader's counting, the health gate.
"""

import hashlib
import subprocess
from dataclasses import replace

import pytest

from omamori.image.architecture import here
from omamori.image.parts import partitions

COPIES = [path.removeprefix("/") for path in here().loader_copies]
"""Of the boot loader; `LOADERS` says which the unit started from, and what both contain."""
LOADERS = "cat /sys/firmware/efi/efivars/LoaderImageIdentifier-* | tr -cd '[:print:]'; echo; cd /efi; sha256sum EFI/systemd/*.efi EFI/BOOT/*"


@pytest.fixture(scope="module")
def versions(factory, whole_files):
    """A good one, one whose bridge dies, one whose kernel panics, one that stops nothing; published, with the directory to serve."""
    good = factory.image("7.0.1")
    engine = factory.image("7.0.2", "--break", "engine")
    panic = factory.image("7.0.3", "--break", "panic")
    blind = factory.image("7.0.4", "--break", "blind")
    return whole_files(factory.publish(good, engine, panic, blind))


def stage_and_try(unit, version):
    guest = unit.guest
    boot = guest.boot_id()
    unit.want(version)
    guest.wait(lambda: unit.in_phase(version, "staged"), seconds=150, what=f"{version} staged", pause=2)
    unit.apply_now()
    guest.wait_for_reboot(boot, seconds=400)
    ended = f"the end of {version}"
    guest.wait(lambda: unit.in_phase(version, "committed", "failed"), seconds=240, what=ended, pause=3)


@pytest.fixture
def older_loader(image, tmp_path):
    """The image with another boot loader than its own: the same with some bytes behind it, which firmware passes over."""
    disk, given = tmp_path / "disk.raw", tmp_path / "loader.efi"
    subprocess.run(["cp", "--sparse=always", image.disk, disk], check=True)
    there = f"{disk}@@{next(part.start for part in partitions(disk) if part.name == 'esp')}"
    given.write_bytes(mtools("mtype", "-i", there, f"::/{COPIES[0]}") + bytes(8))
    for copy in COPIES:
        mtools("mcopy", "-o", "-i", there, given, f"::/{copy}")
    given.write_text(f"{hashlib.sha256(given.read_bytes()).hexdigest()}\n")
    mtools("mcopy", "-o", "-i", there, given, "::/EFI/systemd/loader.sha256")
    return replace(image, disk=disk)


def mtools(*words):
    return subprocess.run(words, check=True, capture_output=True).stdout


@pytest.fixture
def unit(start_unit, older_loader, versions, tmp_path):
    with start_unit(older_loader, tmp_path) as site, site.serving(versions):
        yield site


def loaders(unit):
    """The copy that this start began with, and what is in both."""
    started, *sums = unit.guest.ssh(LOADERS).splitlines()
    return started, [line.split()[0] for line in sums]


def test_a_good_version_is_kept_and_a_dead_engine_is_not(unit):
    """Its boot loader with it, which is another one."""
    _, older = loaders(unit)
    stage_and_try(unit, "7.0.1")
    unit.guest.wait(lambda: len(set(loaders(unit)[1])) == 1, seconds=200, what="one boot loader", pause=1)
    started, newer = loaders(unit)
    assert started.replace("\\", "/") == f"/{COPIES[0]}"
    assert newer != older
    assert unit.update()["phase"] == "committed"
    assert unit.running() == ["7.0.1", "root-b"]
    assert "omamori-7.0.1.efi" in unit.guest.ssh("ls /efi/EFI/Linux").split()

    stage_and_try(unit, "7.0.2")
    kept = ["7.0.1", "root-b"]
    if unit.running() != kept:  # the trial still runs: it gives itself up, and starts the old slot
        unit.guest.wait(lambda: unit.running() == kept, seconds=200, what="the old slot", pause=3)
    update = unit.update()
    assert update["phase"] == "failed"
    assert "bridge" in update["error"]


def test_a_version_that_panics_is_left_at_once_and_one_that_stops_nothing_is_not_kept(unit):
    stage_and_try(unit, "7.0.3")
    update = unit.update()
    assert (update["phase"], unit.running()) == ("failed", ["7.0.0", "root-a"])
    assert "start" in update["error"]
    assert "omamori-7.0.0.efi" in unit.guest.ssh("ls /efi/EFI/Linux").split()

    stage_and_try(unit, "7.0.4")
    kept = ["7.0.0", "root-a"]
    unit.guest.wait(lambda: unit.running() == kept, seconds=300, what="the old slot", pause=3)
    assert "the test signature is not stopped any more" in unit.update()["error"]
