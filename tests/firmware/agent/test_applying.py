"""Two presses of a real event stream order the restart, one does not, and never where nothing is staged."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.firmware.agent.applying import APART, Pressing, at_once
from omamori.firmware.agent.button import Button
from omamori.firmware.host.paths import Paths
from tests.firmware.agent.test_button import LISTING, PRESS


class Script:
    """Presses as they are told."""

    def __init__(self) -> None:
        self.count = 0

    def presses(self) -> int:
        count, self.count = self.count, 0
        return count

    def rescan(self) -> None:
        """Nothing comes or goes."""

    def close(self) -> None:
        """Nothing is open."""


def stage(paths: Paths, phase: str) -> None:
    paths.update.mkdir(parents=True, exist_ok=True)
    paths.update_state.write_text(json.dumps({"update": {"phase": phase, "version": "1.1.0"}}))


def test_the_button_of_a_unit_pressed_twice(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    (tmp_path / "proc/bus/input").mkdir(parents=True)
    (tmp_path / "dev/input").mkdir(parents=True)
    (tmp_path / "proc/bus/input/devices").write_text(LISTING)
    os.mkfifo(tmp_path / "dev/input/event3")
    pressing = Pressing(Button(tmp_path))
    assert not pressing.twice(0.0)
    with (tmp_path / "dev/input/event3").open("wb", buffering=0) as device:
        device.write(PRESS)
        assert not pressing.twice(0.25)
        device.write(PRESS)
        assert pressing.twice(0.75)
        assert not pressing.twice(1.0)
        device.write(PRESS + PRESS)
        assert pressing.twice(1.25), "both within one turn of the loop"
    pressing.close()
    stage(paths, "staged")
    assert at_once(paths)
    assert paths.reboot.read_text() == "1.1.0\n"


@pytest.mark.parametrize("phase", ["idle", "downloading", "trial", "committed", "failed"])
def test_nothing_staged_is_nothing_to_restart_for(tmp_path: Path, phase: str) -> None:
    paths = Paths(tmp_path)
    stage(paths, phase)
    assert not at_once(paths)
    assert not paths.reboot.exists()


def test_a_status_that_cannot_be_read_restarts_nothing(tmp_path: Path) -> None:
    assert not at_once(Paths(tmp_path))


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 5)), max_size=20))
def test_only_two_presses_close_together_count(turns: list[tuple[int, float]]) -> None:
    keys = Script()
    pressing, now = Pressing(keys), 0.0
    last = None
    for count, passed in turns:
        now += passed
        keys.count = count
        expected = count > 1 or (count == 1 and last is not None and now - last <= APART)
        assert pressing.twice(now) is expected
        if count:
            last = None if expected else now
