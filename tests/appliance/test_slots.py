"""Two slots: a good version is kept, one that cannot start or is never healthy is left again by itself.

Through everything a unit has: signed metadata, download, the boot loader's counting, the health gate.
"""

import pytest


@pytest.fixture(scope="module")
def versions(factory, whole_files):
    """A good one, one whose bridge dies, one whose kernel panics; published, with the directory to serve."""
    good = factory.image("7.0.1")
    engine = factory.image("7.0.2", "--break", "engine")
    panic = factory.image("7.0.3", "--break", "panic")
    return whole_files(factory.publish(good, engine, panic))


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
def unit(start_unit, image, versions, tmp_path):
    with start_unit(image, tmp_path) as site, site.serving(versions):
        yield site


def test_a_good_version_is_kept_and_a_dead_engine_is_not(unit):
    stage_and_try(unit, "7.0.1")
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


def test_a_version_that_panics_is_left_at_once(unit):
    stage_and_try(unit, "7.0.3")
    update = unit.update()
    assert (update["phase"], unit.running()) == ("failed", ["7.0.0", "root-a"])
    assert "start" in update["error"]
    assert "omamori-7.0.0.efi" in unit.guest.ssh("ls /efi/EFI/Linux").split()
