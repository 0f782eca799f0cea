"""The image boots with and without KVM; which of the two a machine gets is found out, never assumed."""

import re
import time
from dataclasses import replace

import pytest

from lab.accelerator import accelerator
from lab.guest import MAX_FALLS, Guest, GuestError
from lab.machine import Boot, Machine
from lab.qemu import Qemu
from omamori.image.state import State


def test_the_probed_accelerator_boots_and_the_answer_is_remembered(image, tmp_path):
    state = State.of()
    chosen = accelerator(image, tmp_path / "probe", state)
    began = time.monotonic()
    assert accelerator(image, tmp_path / "probe", state) == chosen
    assert time.monotonic() - began < 1
    with Guest(image, tmp_path / "guest", Machine(boot=Boot.DIRECT, accelerator=chosen)) as guest:
        guest.wait_for_ssh(seconds=180)
        assert "7.0.0" in guest.ssh("cat /usr/lib/os-release")


def falling(folder, *, times):
    """A QEMU that aborts, as by an assertion of its own, the first `times` that it is started."""
    program = folder / "qemu"
    program.write_text(
        f'#!/bin/sh\necho >> {folder}/starts\n[ $(wc -l < {folder}/starts) -gt {times} ] || kill -ABRT $$\nexec "$@"\n'
    )
    program.chmod(0o755)
    qemu = Qemu.find(State.of())
    return replace(qemu, system=(str(program), *qemu.system))


def test_an_emulator_that_aborts_before_the_guest_spoke_is_started_again(image, tmp_path):
    machine = Machine(boot=Boot.DIRECT)
    with Guest(image, tmp_path / "guest", machine, qemu=falling(tmp_path, times=1)) as guest:
        guest.wait(
            lambda: guest.console.exists() and guest.console.stat().st_size, seconds=180, what="a word"
        )
    assert len((tmp_path / "starts").read_text()) == 2


def test_an_emulator_that_always_aborts_is_an_error(image, tmp_path):
    guest = Guest(image, tmp_path / "guest", Machine(boot=Boot.DIRECT), qemu=falling(tmp_path, times=99))
    with pytest.raises(GuestError, match=r"QEMU ended \(-6\)"), guest:
        guest.wait_for_ssh()
    assert len((tmp_path / "starts").read_text()) == MAX_FALLS + 1


def test_a_failure_tells_where_the_guest_is(image, tmp_path):
    """For a guest that stands still before it says a word."""
    with (
        pytest.raises(GuestError, match="waited 1 s for nothing that happens") as failed,
        Guest(image, tmp_path / "guest", Machine(boot=Boot.DIRECT)) as guest,
    ):
        guest.wait(lambda: False, seconds=1, what="nothing that happens")
    assert len(re.findall(r"^[RE]IP=[0-9a-f]+ .*SMM=[01]", str(failed.value), re.MULTILINE)) == 4
    assert re.search(r"^read \d+ bytes, written \d+$", str(failed.value), re.MULTILINE)
