"""The script that mends the data partition or makes it anew, with programs that note what they were asked, and fail where told."""

import os
import subprocess

import pytest

from omamori.image.recipe import TEMPLATES

SCRIPT = TEMPLATES / "rootfs/usr/lib/omamori/renew-data"
PROGRAMS = ("dd", "systemctl", "blkdiscard", "mkfs.ext4", "e2fsck", "debugfs", "tune2fs", "systemd-tmpfiles")
MOUNT = "systemctl start var-lib-omamori.mount"


@pytest.fixture
def renew(tmp_path):
    """Runs it; `failing`: calls that fail, by how they begin. Returns what was called, in order, and the exit code."""
    noted = tmp_path / "noted"
    for name in PROGRAMS:
        lines = (
            "#!/bin/sh",
            f'call="{name} $*"',
            f'echo "$call" >>{noted}',
            f'while read -r fails; do case $call in "$fails"*) exit 1;; esac; done <{tmp_path}/failing',
        )
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        (tmp_path / name).chmod(0o755)

    def run(*words, failing=()):
        (tmp_path / "failing").write_text("".join(f"{call}\n" for call in failing))
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        code = subprocess.run(
            ["sh", SCRIPT, *words], env=environment, capture_output=True, check=False
        ).returncode
        return noted.read_text().splitlines(), code

    return run


def made_anew(calls):
    return any(call.startswith("mkfs") for call in calls)


def everything_runs(calls):
    """All that was stopped was started again, over a partition that was to be mounted."""
    stopped = next(call for call in calls if call.startswith("systemctl stop")).split()[2:]
    after = calls[calls.index(MOUNT) :]
    started = {name for call in after if call.startswith("systemctl start") for name in call.split()[2:]}
    by_order = {"omamori-page.service", "omamori-update.service", "omamori-apply.service"}
    return set(stopped) - by_order <= started


def test_a_reset_erases(renew):
    calls, code = renew()
    assert code == 0
    assert made_anew(calls)
    assert everything_runs(calls)


def test_what_a_second_check_mends_is_kept(renew):
    calls, code = renew("mend")
    assert code == 0
    assert [call.split()[:3] for call in calls if call.startswith("e2fsck")] == [["e2fsck", "-f", "-y"]]
    assert not made_anew(calls)
    assert everything_runs(calls)
    assert calls[-1] == "systemctl restart omamori-settings-restore.service omamori-committed.service"


def test_a_journal_in_the_way_is_given_up_before_the_rest(renew):
    """The check fails as long as it is there."""
    calls, _ = renew("mend", failing=("e2fsck", MOUNT))
    on_disk = {"e2fsck", "debugfs", "tune2fs", "mkfs.ext4"}
    done = [call.rsplit(" ", 1)[0] for call in calls if call.split()[0] in on_disk]
    check, anew = "e2fsck -f -y", "mkfs.ext4 -q -F -L omamori-data"
    without = ["debugfs -w -R feature ^needs_recovery", "tune2fs -f -O ^has_journal"]
    assert done == [check, *without, check, "tune2fs -j", anew]
    assert calls.index(MOUNT) < next(n for n, call in enumerate(calls) if call.startswith("debugfs"))


def test_what_cannot_be_mounted_afterwards_is_made_anew(renew):
    calls, _ = renew("mend", failing=("e2fsck", MOUNT))
    assert made_anew(calls)
    assert everything_runs(calls)


def test_what_cannot_be_read_is_left_alone_and_nothing_is_stopped(renew):
    calls, code = renew("mend", failing=("dd",))
    assert code == 1
    assert [call.split()[0] for call in calls] == ["dd"]


@pytest.mark.parametrize("words", [(), ("mend",)])
def test_the_processes_start_again_whatever_fails(renew, words):
    calls, _ = renew(*words, failing=("blkdiscard", "mkfs.ext4", "e2fsck", MOUNT, "systemd-tmpfiles"))
    assert everything_runs(calls)
