"""Power cuts at random moments of a unit's life: `./inv chaos --unit` makes more of them, and follows each to its end; here every sixth, so that each part of its life is followed."""

import secrets

import pytest

from lab.chaos import unit

pytestmark = pytest.mark.timeout(2400)


def test_power_cuts_leave_units_that_forward_and_run_what_was_ordered(tmp_path):
    chance = secrets.randbelow(10**6)
    seen = unit.run(tmp_path, cuts=20, chance=chance, follow=6)
    assert seen.problems == [], f"chance {chance}"
    assert all(revival.arrives for revival in seen.revivals[::6])
    assert [revival.number for revival in seen.revivals] == list(range(20))
    assert {revival.runs for revival in seen.revivals} <= {"8.0.0", "8.0.1"}
