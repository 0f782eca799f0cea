"""`postpone`, `apply-when`, `rollouts create --deadline`, `rollouts deadline` as an operator types them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.fleet.commands.moments import moment
from omamori.fleet.errors import Invalid
from tests.fleet.commands.test_commands import UNIT, fleet  # noqa: F401 - a fixture

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture
def announced(fleet):  # noqa: F811 - the fixture
    """A firmware to roll out. A repository is another test's matter, so the release is added behind its back."""
    code = (
        "from omamori.fleet.cli import set_up; set_up()\n"
        "from omamori.fleet.accounts.actor import System\n"
        "from omamori.fleet.rollouts.operations import add_release\n"
        "add_release(System(), 'firmware', '1.1.0')\n"
    )
    fleet.python(code)
    return fleet


def test_a_deadline_and_a_postponement_from_the_command_line(announced):
    create = ("rollouts", "create", "firmware", "1.1.0", "--unit", UNIT, "--deadline", "9d")
    (planned,) = announced.json(*create, "--dry-run")
    assert (planned["unit"], planned["wave"]) == (UNIT, 1)
    assert announced.json("rollouts", "list") == []
    number = str(announced.json(*create)["rollout"])
    said = announced.json("postpone", UNIT, "--until", "3d")
    assert (said["firmware"], said["waits_for"]) == ("1.1.0", "postponement")
    assert said["postpone_limit"] == said["deadline"]
    assert "a moment from now to" in announced.refusal("postpone", UNIT, "--until", "10d")
    assert "not a time" in announced.refusal("postpone", UNIT, "--until", "soon")
    assert announced.json("apply-when", UNIT, "power-cycle")["waits_for"] == "power cycle"
    announced.text("postpone", UNIT, "--end")
    assert announced.json("rollouts", "deadline", number, "none")["deadline"] is None
    assert "minutes of notice" in announced.refusal("rollouts", "deadline", number, "5m")
    want = announced.json("units", "show", UNIT)["want"]
    assert (want["postponed_until"], want["deadline"], want["at_power_cycle"]) == (None, None, True)
    assert "2026-12-01T18:00" in announced.text("rollouts", "deadline", "--help")


def test_how_updates_come_is_chosen_from_the_command_line(fleet):  # noqa: F811 - the fixture
    assert fleet.json("fetching", UNIT) == {"unit": UNIT, "rate": 0, "mirror": ""}
    fleet.text("fetching", UNIT, "--rate", "125000")
    assert fleet.json("fetching", UNIT, "--mirror", "http://nas/")["rate"] == 125_000
    assert fleet.json("units", "show", UNIT)["want"]["fetching"]["mirror"] == "http://nas"
    assert "not the address of a mirror" in fleet.refusal("fetching", UNIT, "--mirror", "nas")
    assert fleet.json("fetching", UNIT, "--mirror", "")["mirror"] == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7d", NOW + timedelta(days=7)),
        (" 90m ", NOW + timedelta(minutes=90)),
        ("2026-12-01T18:00+00:00", datetime(2026, 12, 1, 18, tzinfo=UTC)),
        ("2026-12-01T18:00", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("9999-12-31T23:00+09:00", datetime(9999, 12, 31, 14, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 11, 30, 15, tzinfo=UTC)),
    ],
)
def test_moments_are_lengths_or_times_of_the_fleets_zone(text, found):
    assert moment(text, NOW) == found


@pytest.mark.parametrize("text", ["9999-12-31T23:00-09:00", "999999999d", "0001-01-01", "7", "", "18:00"])
def test_moments_that_cannot_be(text):
    with pytest.raises(Invalid, match="not a time"):
        moment(text, NOW)


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{1,12}[smhd]", fullmatch=True))
def test_any_text_is_a_moment_or_refused(text):
    with suppress(Invalid):
        assert moment(text, NOW).tzinfo is UTC
