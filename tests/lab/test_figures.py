"""`./inv figures`: what counts as missed. A run starts a unit in QEMU and takes ten minutes; its parts are those of the appliance's tests."""

import pytest

from lab import figures

MET = dict.fromkeys(figures.GOALS, 0.0)


@pytest.mark.parametrize("name", figures.GOALS)
def test_a_figure_over_its_goal_is_missed_and_one_at_it_is_not(name):
    assert figures.missed({**MET, name: figures.GOALS[name]}) == []
    assert figures.missed({**MET, name: figures.GOALS[name] + 0.01}) == [name]


def test_what_was_not_measured_is_not_judged():
    assert figures.missed({}) == []
