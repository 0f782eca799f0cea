"""Bit rot in the slot that runs: the unit comes back by itself with the other one, says why, and gets the damaged one replaced."""

import contextlib
import random
import secrets

import pytest

from lab.appliance import ROUTER, powered, with_slot_b
from lab.chaos.disks import Disk
from lab.namespaces import reaches
from omamori.image.state import State

pytestmark = pytest.mark.timeout(1800)
COUNTS = "cat /sys/firmware/efi/efivars/OmamoriStarts-* | tail -c 4"


@pytest.fixture(scope="module")
def newer(factory):
    return factory.image("7.0.1")


@pytest.fixture
def updated(image, newer, tmp_path):
    """The disk of a unit that left the factory with 7.0.0 in slot A and has 7.0.1 committed in slot B."""
    return with_slot_b(image, newer, tmp_path)


@pytest.fixture
def served(newer, factory, whole_files):
    return whole_files(factory.publish(newer))


def test_a_start_is_counted_and_forgotten_once_it_is_healthy(host):
    """With Secure Boot on, the kernel locked down, and nothing more than the service's rights."""
    assert host.check_output(COUNTS) == "a0b0"
    journal = "journalctl --boot --quiet --no-pager --output=cat --unit="
    # Its beginning lies before the initrd's journal; its end, with the initrd's, says that it had come off.
    assert "Deactivated successfully" in host.check_output(journal + "omamori-starts.service")
    assert "cannot forget" not in host.check_output(journal + "omamori-committed.service")


IN_SLOT = {
    "root": lambda disk: disk.turn("root-b", 0),  # the kernel panics
    "seal": lambda disk: disk.turn("hash-b", 0),  # the root cannot be opened
    "anywhere": lambda disk: disk.turn(
        "root-b", secrets.randbelow(90 * 2**11) * 512
    ),  # some of it is read only when all is
}
IN_BOOT_IMAGE = {  # firmware refuses it: all of it is signed
    "kernel": lambda disk: disk.turn_in_file(disk.entry("7.0.1"), ".linux"),
    "initrd": lambda disk: disk.turn_in_file(disk.entry("7.0.1"), ".initrd"),
}


def live(updated, folder, *, starts):
    """Until slot B was healthy, so often, and is switched off."""
    with powered(updated, folder, keys=State.of().secure_boot) as unit:
        guest = unit.guest
        guest.wait_for_ssh(seconds=300)
        assert unit.running() == ["7.0.1", "root-b"]
        guest.wait(lambda: len(unit.good()) == 2, seconds=200, what="two good slots", pause=1)
        for _ in range(starts - 1):
            boot = guest.boot_id()
            guest.ssh("systemctl reboot", check=False)
            guest.wait_for_reboot(boot, seconds=300)


@contextlib.contextmanager
def rotten(updated, folder, kind, rot, told):
    """The unit with this rot in slot B, in slot A, and having said why."""
    rot(Disk.of(folder, random.Random(0)))
    with powered(updated, folder, keys=State.of().secure_boot) as unit:
        guest = unit.guest
        guest.wait_for_text(f"{told} was started 3 times in a row", seconds=900)  # SSH may answer before that
        guest.wait_for_ssh(seconds=300)
        assert reaches(unit.lan, ROUTER), kind
        assert unit.running() == ["7.0.0", "root-a"], kind
        console = guest.console.read_text(errors="replace")
        assert "Timed out waiting for device" not in console, kind
        reason = "slot: 7.0.1 in slot b was started 3 times in a row and never became healthy"
        guest.wait(lambda: unit.update().get("error") == reason, seconds=300, what="the reason", pause=1)
        yield unit


def test_a_boot_image_that_rots_is_left_for_the_other_slots(updated, tmp_path):
    """From the second start of a committed slot on: from then on the boot loader knows what to take without it."""
    kind, rot = secrets.choice(list(IN_BOOT_IMAGE.items()))
    live(updated, tmp_path / "guest", starts=2)
    with rotten(updated, tmp_path / "guest", kind, rot, told="omamori-7.0.1.efi") as unit:
        assert unit.guest.ssh("ls /efi/EFI/Linux").split() == ["omamori-7.0.0.efi"]


STARTED_FROM = "cat /sys/firmware/efi/efivars/LoaderImageIdentifier-* | tr -cd '[:print:]'"
LOADERS = "sha256sum /efi/EFI/systemd/*.efi /efi/EFI/BOOT/*.EFI | cut -c -64"


def test_a_slot_that_rots_is_left_for_the_other_one_and_replaced(updated, served, tmp_path):
    """And with it the boot loader that the firmware starts first: both copies are whole again."""
    kind, rot = secrets.choice(list(IN_SLOT.items()))
    live(updated, tmp_path / "guest", starts=1)

    def two(disk):
        rot(disk)
        disk.turn_in_file(disk.loaders()[0], ".text")

    with rotten(updated, tmp_path / "guest", kind, two, told="slot b") as unit, unit.serving(served):
        guest = unit.guest
        assert guest.ssh(STARTED_FROM).startswith("\\EFI\\BOOT\\")
        guest.wait(
            lambda: len(set(guest.ssh(LOADERS).split())) == 1, seconds=200, what="both copies", pause=1
        )
        unit.want("7.0.1")
        guest.wait(lambda: unit.in_phase("7.0.1", "staged"), seconds=600, what="7.0.1 staged", pause=1)
        boot = guest.boot_id()
        unit.apply_now()
        guest.wait_for_reboot(boot, seconds=400)
        guest.wait(lambda: unit.in_phase("7.0.1", "committed"), seconds=300, what="7.0.1 kept", pause=1)
        assert unit.running() == ["7.0.1", "root-b"]
        assert guest.ssh(STARTED_FROM).startswith("\\EFI\\systemd\\")
        guest.wait(lambda: guest.ssh(COUNTS) == "a0b0", seconds=200, what="the count forgotten", pause=1)
