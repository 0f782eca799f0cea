"""A first process that hangs: the hardware's watchdog starts the machine again, and a trial that hung has used up its try."""

import pytest

from lab.appliance import powered, with_slot_b

PATIENCE = 900
"""Seconds: two starts on a busy machine."""
MANAGER = "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager"

HANG = f"""[Unit]
ConditionPathExists=!/etc/initrd-release
ConditionKernelCommandLine=systemd.verity_root_data=PARTLABEL=root-b
After=dbus.service omamori-ports.service
Before=omamori-health.service boot-complete.target
[Service]
Type=oneshot
# Ten seconds in place of the recipe's: only the waiting of this test is shortened.
ExecStart=busctl set-property {MANAGER} RuntimeWatchdogUSec t 10000000
ExecStart=sh -c 'echo omamori-test: and now it hangs >/dev/console'
ExecStart=sh -c 'echo 1 >/sys/fs/cgroup/init.scope/cgroup.freeze'
"""
CREDENTIALS = {
    "systemd.extra-unit.test-hang.service": HANG,
    "systemd.unit-dropin.multi-user.target": "[Unit]\nWants=test-hang.service\n",
}


@pytest.fixture
def staged(image, factory, tmp_path):
    """The disk of a unit that runs 7.0.0 and has 7.0.1 staged in slot B, for its one try."""
    return with_slot_b(image, factory.image("7.0.1"), tmp_path, tries=1)


@pytest.mark.timeout(2 * PATIENCE)
def test_a_trial_that_hangs_is_ended_by_the_watchdog_and_the_old_version_runs_again(staged, tmp_path):
    """Nobody touches it: from power-on in the new slot to an answer from the old one."""
    with powered(staged, tmp_path / "guest", credentials=CREDENTIALS) as unit:
        guest = unit.guest
        guest.wait_for_text("and now it hangs", seconds=PATIENCE)
        # What runs goes on while the first process hangs: the new version may still answer.
        old = "grep -o root-a /proc/cmdline"
        guest.wait(lambda: guest.ssh(old, check=False), seconds=PATIENCE, what="the old slot", pause=1)
        assert unit.running() == ["7.0.0", "root-a"]
        assert "omamori-7.0.1+0-1.efi" in guest.ssh("ls /efi/EFI/Linux").split()
