"""Power cuts at random moments of a unit's life: `./inv chaos --unit` makes more of them, and follows each to its end."""

import secrets

import pytest

from lab.chaos import unit

pytestmark = pytest.mark.timeout(1500)


def test_twenty_power_cuts_leave_twenty_units_that_forward_and_run_what_was_ordered(tmp_path):
    chance = secrets.randbelow(10**6)
    seen = unit.run(tmp_path, cuts=20, chance=chance, follow=10)
    assert seen.problems == [], f"chance {chance}"
    assert len(seen.revivals) == 20
    assert {revival.doing for revival in seen.revivals} >= {"first boot", "staging", "trial"}
    assert sum(revival.arrives is not None for revival in seen.revivals) == 2
