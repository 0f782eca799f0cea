"""A trial without restarting the machine: where it is tried, that it is judged and kept like any other, and every way back."""

import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.protocol import boot_image
from omamori.protocol.errors import BootImageError
from omamori.signing.notes import Notes, Restart, Urgency
from tests.firmware.update.releases import make_uki

KERNEL = os.urandom(50_000)
ROOT = os.urandom(300_000)


def notes(*, needed: bool) -> Notes:
    return Notes("修正", "Mended", Urgency.ROUTINE, Restart(needed, 45 if needed else 0))


IMAGE = make_uki("b", "1.1.0", ROOT, linux=KERNEL)
STAYS, RESTARTS = notes(needed=False), notes(needed=True)


@pytest.fixture
def soft(unit, uki_of):
    """A unit of which PID 1 can change its root."""
    unit.soft = True
    unit.patch("root-a", ROOT)
    unit.write("efi/EFI/Linux/omamori-1.0.0.efi", uki_of("a", "1.0.0", ROOT, linux=KERNEL))
    unit.want(firmware="1.1.0")
    return unit


def stage(unit, fleet, release=STAYS, **start: object):
    fleet.release("1.1.0", notes=release, start={"linux": KERNEL} | start)
    assert unit.run()
    assert unit.phase == "staged"
    assert unit.updater().apply()


def test_where_no_restart_is_needed_the_new_version_takes_over_and_is_kept(soft, fleet):
    boot = soft.paths.kernel_boot_id.read_bytes()
    stage(soft, fleet)
    assert (soft.soft_reboots, soft.reboots) == (1, 0)
    soft.take_over()
    assert (soft.phase, soft.state["slot"], soft.state["healthy"]) == ("committed", "b", True)
    assert soft.names == {"omamori-1.0.0.efi", "omamori-1.1.0.efi"}
    assert soft.paths.kernel_boot_id.read_bytes() == boot
    assert soft.power_on() == "1.1.0"
    soft.start_services()
    assert (soft.phase, soft.state["slot"]) == ("committed", "b")


def test_how_it_was_tried_and_how_long_nobody_guarded_is_told(soft, fleet):
    fleet.release("1.1.0", notes=STAYS, start={"linux": KERNEL})
    soft.run()
    start = datetime.now(UTC)
    soft.clock = lambda: start
    soft.updater().apply()
    soft.clock = lambda: start + timedelta(seconds=17)
    soft.take_over()
    assert soft.state["restart"] == {"how": "soft", "unguarded": 17.0}
    assert any("traffic went on; it passed uninspected for 17 s at most" in line for line in soft.log)


@pytest.mark.parametrize(
    ("release", "start", "why"),
    [
        (None, {}, "its release says that a restart is needed"),
        (RESTARTS, {}, "its release says that a restart is needed"),
        (STAYS, {"linux": b"another"}, "its kernel differs"),
        (STAYS, {"initrd": b"another"}, "its initrd differs"),
        (STAYS, {"options": "quiet mitigations=off"}, "its kernel command line differs"),
    ],
)
def test_everything_else_restarts_the_machine_and_says_why(soft, fleet, release, start, why):
    stage(soft, fleet, release, **start)
    assert (soft.soft_reboots, soft.reboots) == (0, 1)
    assert any(f"to be tried by a restart: {why}" in line for line in soft.log)
    assert soft.power_on() == "1.1.0"
    soft.start_services()
    assert (soft.phase, soft.state["restart"]["how"]) == ("committed", "hard")


def test_what_cannot_be_prepared_restarts_the_machine(soft, fleet):
    soft.soft = False
    stage(soft, fleet)
    assert soft.reboots == 1
    assert any("cannot be tried without a restart: no soft reboot here" in line for line in soft.log)
    assert soft.power_on() == "1.1.0"
    soft.start_services()
    assert soft.state["restart"]["how"] == "hard"


def test_a_soft_trial_that_is_not_healthy_ends_on_the_old_version(soft, fleet):
    soft.broken.add("1.1.0")
    stage(soft, fleet)
    soft.take_over()
    assert (str(soft.version), soft.phase, soft.state["slot"]) == ("1.0.0", "failed", "a")
    assert "bridge" in soft.error
    assert soft.names == {"omamori-1.0.0.efi"}


def test_a_power_cut_in_a_soft_trial_leaves_an_ordinary_trial(soft, fleet):
    stage(soft, fleet)
    assert soft.power_on() == "1.1.0"
    soft.start_services()
    assert (soft.phase, soft.state["restart"]["how"]) == ("committed", "hard")


def test_nothing_that_a_disk_says_after_a_start_of_the_machine_is_believed(soft, fleet):
    """The slot and its root hash are remembered in memory alone: a start forgets them, and tries the slot itself."""
    fleet.release("1.1.0", notes=STAYS, start={"linux": KERNEL})
    soft.run()
    before = {path.name for path in soft.paths.update.iterdir()}
    assert not any(
        b"root_hash" in (soft.paths.update / name).read_bytes() for name in before if ".json" in name
    )
    soft.power_on()
    assert not (soft.paths.run / "soft").exists()


def test_a_soft_reboot_that_ends_where_it_began_becomes_a_restart(soft, fleet):
    stage(soft, fleet)
    soft.start_userspace()  # the old root again
    assert (soft.soft_reboots, soft.reboots) == (1, 1)
    assert any("did not take over" in line for line in soft.log)
    assert soft.power_on() == "1.1.0"
    soft.start_services()
    assert soft.phase == "committed"


def test_without_the_gates_word_a_soft_trial_is_not_kept(soft, fleet):
    stage(soft, fleet)
    soft.start_userspace = lambda: soft.updater().committed()
    soft.take_over()
    assert soft.phase == "trial"
    assert "omamori-1.1.0+3.efi" in soft.names


def test_one_soft_update_follows_another_and_each_writes_the_slot_that_does_not_run(soft, fleet):
    stage(soft, fleet)
    soft.take_over()
    fleet.release("1.2.0", notes=STAYS, start={"linux": KERNEL})
    soft.want(firmware="1.2.0", generation=2)
    assert soft.run()
    assert soft.updater().apply()
    soft.take_over()
    assert (soft.phase, soft.state["slot"], soft.soft_reboots) == ("committed", "a", 2)
    assert soft.every_entry_starts()


def test_a_slot_that_is_still_open_is_not_written(soft, fleet):
    """Other bytes below a root that is read through its hashes would panic the kernel."""
    (soft.root / "sys/class/block/root-b/holders/dm-0").mkdir(parents=True)
    fleet.release("1.1.0", notes=STAYS, start={"linux": KERNEL})
    assert not soft.run()
    assert "still held open" in soft.error
    (soft.root / "sys/class/block/root-b/holders/dm-0").rmdir()
    assert soft.run()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"version": "1.1.0"}', b"\xff", json.dumps({"version": 1}).encode()]
)
def test_a_damaged_memory_restarts_the_machine(soft, fleet, content):
    fleet.release("1.1.0", notes=STAYS, start={"linux": KERNEL})
    soft.run()
    soft.write("run/omamori/soft/staged.json", content)
    soft.updater().apply()
    assert (soft.soft_reboots, soft.reboots) == (0, 1)


def test_hosts_of_the_version_before_are_not_taken_for_those_heard_since(soft, fleet):
    """The kernel's uptime goes back to its start; only who was heard since the order is there."""
    heard = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    hosts = [
        {"mac": f"02:00:00:00:00:0{number}", "side": "behind", "last_seen": heard} for number in range(4)
    ]
    soft.write("proc/uptime", b"9000.00 9000.00\n")
    soft.write("run/omamori/lan/hosts.json", json.dumps({"hosts": hosts}).encode())
    stage(soft, fleet)
    soft.take_over()
    assert soft.phase == "failed"
    assert "0 heard behind the unit, 4 before" in soft.error


def test_two_boot_images_of_one_kernel_are_alike_but_for_their_roots():
    one, other = (
        make_uki(slot, "1.1.0", root, linux=KERNEL) for slot, root in (("a", ROOT), ("b", ROOT[::-1]))
    )
    (kernel, root_hash), (same, another) = (
        boot_image.kernel(io.BytesIO(one)),
        boot_image.kernel(io.BytesIO(other)),
    )
    assert kernel == same
    assert root_hash != another


@given(at=st.integers(0, 0x600), junk=st.binary(min_size=1, max_size=40), cut=st.integers(0, len(IMAGE)))
def test_any_boot_image_is_compared_or_refused(at, junk, cut):
    for damaged in (IMAGE[:at] + junk + IMAGE[at + len(junk) :], IMAGE[:cut], junk):
        try:
            kernel, root_hash = boot_image.kernel(io.BytesIO(damaged))
        except BootImageError as error:
            assert str(error)  # noqa: PT017 - either outcome is right
        else:
            assert (len(kernel.linux), len(kernel.initrd), len(root_hash)) == (64, 64, 64)
