"""The image boots with and without KVM; which of the two a machine gets is found out, never assumed."""

import time

from lab.guest import Boot, Guest, Machine, accelerator
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
