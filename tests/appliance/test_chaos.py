"""Power cuts at random moments of a unit's life: `./inv chaos --unit` makes more of them, and follows each to its end."""

import secrets

import pytest

from lab.chaos import unit

pytestmark = pytest.mark.timeout(900)


def test_power_cuts_leave_units_that_forward_and_run_what_was_ordered(tmp_path):
    chance = secrets.randbelow(10**6)
    seen = unit.run(tmp_path, cuts=4, chance=chance, follow=0)
    assert seen.problems == [], f"chance {chance}"
    assert [revival.number for revival in seen.revivals] == [0, 1, 2, 3]
    assert {revival.runs for revival in seen.revivals} <= {"8.0.0", "8.0.1"}
