"""Bit rot in the slot that runs: the unit comes back by itself with the other one, says why, and gets the damaged one replaced."""

import os
import random
import secrets
import shutil

import pytest

from lab.appliance import ROUTER, powered, with_slot_b
from lab.chaos.decay import Rot, decay
from lab.namespaces import reaches

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
def served(newer, factory, tmp_path):
    """Without the lists of pieces: a server that sends no parts of files makes the unit read them for nothing."""
    lists = shutil.ignore_patterns("*.chunks")
    return shutil.copytree(factory.publish(newer), tmp_path / "www", ignore=lists, copy_function=os.link)


def test_a_start_is_counted_and_forgotten_once_it_is_healthy(host):
    """With Secure Boot on, the kernel locked down, and nothing more than the service's rights."""
    assert host.check_output(COUNTS) == "a0b0"
    journal = "journalctl --boot --quiet --no-pager --output=cat --unit="
    # Its beginning lies before the initrd's journal; its end, with the initrd's, says that it had come off.
    assert "Deactivated successfully" in host.check_output(journal + "omamori-starts.service")
    assert "cannot forget" not in host.check_output(journal + "omamori-committed.service")


def test_a_slot_that_rots_is_left_for_the_other_one_and_replaced(updated, newer, served, tmp_path):
    kind = secrets.choice(("root", "seal"))  # the kernel panics, or the root cannot be opened
    chance = random.Random(0)
    decay(Rot.of(kind, "b", newer, chance), updated.disk, updated.disk, chance)
    with powered(updated, tmp_path / "guest") as unit, unit.serving(served):
        guest = unit.guest
        guest.wait(lambda: reaches(unit.lan, ROUTER), seconds=900, what=f"a packet ({kind})", pause=0.5)
        guest.wait_for_ssh(seconds=300)
        assert unit.running() == ["7.0.0", "root-a"]
        assert "slot b was started 3 times in a row" in guest.console.read_text(errors="replace")
        reason = "slot: 7.0.1 in slot b was started 3 times in a row and never became healthy"
        guest.wait(lambda: unit.update().get("error") == reason, seconds=300, what="the reason", pause=1)

        unit.want("7.0.1")
        guest.wait(lambda: unit.in_phase("7.0.1", "staged"), seconds=600, what="7.0.1 staged", pause=1)
        boot = guest.boot_id()
        unit.apply_now()
        guest.wait_for_reboot(boot, seconds=400)
        guest.wait(lambda: unit.in_phase("7.0.1", "committed"), seconds=300, what="7.0.1 kept", pause=1)
        assert unit.running() == ["7.0.1", "root-b"]
        guest.wait(lambda: guest.ssh(COUNTS) == "a0b0", seconds=200, what="the count forgotten", pause=1)
