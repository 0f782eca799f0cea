"""Two slots: a good version is kept, one that cannot start or is never healthy is left again by itself.

Through everything a unit has: signed metadata, download, the boot loader's counting, the health gate.
"""

import json
import sys

import pytest

ROUTER = "http://192.168.55.1:8000"
AGENT = "/var/lib/omamori/agent"


@pytest.fixture(scope="module")
def versions(factory):
    """A good one, one whose bridge dies, one whose kernel panics; published, with the directory to serve."""
    good = factory.image("7.0.1")
    engine = factory.image("7.0.2", "--break", "engine")
    panic = factory.image("7.0.3", "--break", "panic")
    return factory.publish(good, engine, panic)


def state(guest):
    text = guest.ssh("cat /var/lib/omamori/update/state.json", check=False)
    return json.loads(text) if text else {"update": {}}


def want(guest, version):
    """As the agent does it: where the fleet is, and the newest want."""
    files = {"fleet.json": {"url": ROUTER}, "want.json": {"generation": 1, "firmware": version}}
    for name, content in files.items():
        guest.ssh(
            f"cd {AGENT} && echo '{json.dumps(content)}' > new && chown omamori-agent:omamori new && mv new {name}"
        )


def phase(guest, version, *phases):
    update = state(guest)["update"]
    return update.get("version") == version and update.get("phase") in phases


def stage_and_try(guest, version):
    boot = guest.boot_id()
    want(guest, version)
    guest.wait(lambda: phase(guest, version, "staged"), seconds=150, what=f"{version} staged", pause=2)
    guest.ssh("touch /run/omamori/agent/reboot")
    guest.wait_for_reboot(boot, seconds=400)
    guest.wait(
        lambda: phase(guest, version, "committed", "failed"),
        seconds=240,
        what=f"the end of {version}",
        pause=3,
    )


def running(guest):
    return guest.ssh(
        "sed -n s/^IMAGE_VERSION=//p /usr/lib/os-release; grep -o 'root-[ab]' /proc/cmdline"
    ).split()


@pytest.fixture
def unit(start_unit, image, versions, tmp_path):
    with start_unit(image, tmp_path) as site:
        serve = (
            sys.executable,
            "-m",
            "http.server",
            "--directory",
            versions,
            "--bind",
            "192.168.55.1",
            "8000",
        )
        with site.wan.running(*serve):
            yield site.guest


def test_a_good_version_is_kept_and_a_dead_engine_is_not(unit):
    stage_and_try(unit, "7.0.1")
    assert state(unit)["update"]["phase"] == "committed"
    assert running(unit) == ["7.0.1", "root-b"]
    assert "omamori-7.0.1.efi" in unit.ssh("ls /efi/EFI/Linux").split()

    stage_and_try(unit, "7.0.2")
    if running(unit) != [
        "7.0.1",
        "root-b",
    ]:  # the trial still runs: it gives itself up, and starts the old slot
        unit.wait(lambda: running(unit) == ["7.0.1", "root-b"], seconds=200, what="the old slot", pause=3)
    update = state(unit)["update"]
    assert update["phase"] == "failed"
    assert "bridge" in update["error"]


def test_a_version_that_panics_is_left_at_once(unit):
    stage_and_try(unit, "7.0.3")
    update = state(unit)["update"]
    assert (update["phase"], running(unit)) == ("failed", ["7.0.0", "root-a"])
    assert "start" in update["error"]
    assert "omamori-7.0.0.efi" in unit.ssh("ls /efi/EFI/Linux").split()
