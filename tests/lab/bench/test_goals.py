"""A run's figures against the table of goals."""

import pytest

from lab.bench.goals import GOALS, NOTHING, OURS, PLAIN, STOCK, TUNED, judge


def _outcome(figure, **found):
    names = {"plain": PLAIN, "ours": OURS, "stock": STOCK, "tuned": TUNED}
    medians = {figure: {names[key]: value for key, value in found.items()}}
    return next(each for each in judge(medians) if each.figure == figure)


@pytest.mark.parametrize(
    ("figure", "found", "ratio", "met"),
    [
        ("bulk download, Gbit/s", {"ours": 3.0, "stock": 0.5, "tuned": 1.0}, 3.0, True),
        ("bulk download, Gbit/s", {"ours": 2.9, "stock": 0.5, "tuned": 1.0}, 2.9, False),
        ("office mix, Gbit/s", {"ours": 0.9, "plain": 1.0, "tuned": 9.0}, 0.9, True),
        ("new connections/s", {"ours": 300.0, "stock": 100.0, "tuned": 200.0}, 1.5, False),
        ("peak memory, MB", {"ours": 70.0, "stock": 100.0, "tuned": 200.0}, 0.7, True),
        ("peak memory, MB", {"ours": 71.0, "stock": 100.0, "tuned": 200.0}, 0.71, False),
        ("ready after start, s", {"ours": 1.0, "stock": 11.0, "tuned": 10.0}, 0.1, True),
        ("latency p50, ms", {"plain": 1.0, "ours": 1.5, "stock": 2.0, "tuned": 3.0}, 0.5, True),
        ("latency p99, ms", {"plain": 1.0, "ours": 4.0, "stock": 5.0, "tuned": 3.0}, 1.5, False),
    ],
)
def test_the_better_rival_counts(figure, found, ratio, met):
    outcome = _outcome(figure, **found)
    assert outcome.ratio == pytest.approx(ratio)
    assert outcome.met is met


def test_without_suricata_its_goals_are_open():
    assert _outcome("bulk download, Gbit/s", ours=5.0, plain=9.0).met is None
    assert _outcome("office mix, Gbit/s", ours=0.95, plain=1.0).met is True


def test_without_a_figure_of_ours_nothing_is_met():
    assert {outcome.met for outcome in judge({})} == {None}
    assert len(judge({})) == len(GOALS) + len(NOTHING)


@pytest.mark.parametrize(("passed", "met"), [(0.0, True), (1.0, False)])
def test_no_attack_may_pass_while_rules_change(passed, met):
    assert _outcome("attacks passed at reload", ours=passed, stock=5.0).met is met
