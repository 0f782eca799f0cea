"""What is asked of us against the better of the two Suricatas, workload by workload, as one table; pure.

A goal whose figures are not there (no Suricata on this machine) is open, neither met nor missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

PLAIN, OURS, STOCK, TUNED = "plain bridge", "omamori", "suricata stock", "suricata tuned"
Medians = Mapping[str, Mapping[str, float]]
"""Figure -> contestant -> median."""


class Rival(Enum):
    """Whom a goal is measured against."""

    SURICATA = (STOCK, TUNED)
    PLAIN = (PLAIN,)


@dataclass(frozen=True, slots=True)
class Goal:
    """`at_least` or, for what should be small, `at_most` times the best of the rival's figures."""

    figure: str
    at_least: float | None = None
    at_most: float | None = None
    rival: Rival = Rival.SURICATA
    added: bool = False
    """Compare what is added to the plain bridge's figure."""


GOALS: Sequence[Goal] = (
    Goal("bulk download, Gbit/s", at_least=3.0),
    Goal("office mix, Gbit/s", at_least=0.9, rival=Rival.PLAIN),
    Goal("new connections/s", at_least=2.0),
    Goal("keep-alive requests/s", at_least=2.0),
    Goal("download beside a flood, Gbit/s", at_least=0.9),
    Goal("latency p50, ms", at_most=0.7, added=True),
    Goal("latency p99, ms", at_most=0.7, added=True),
    Goal("peak memory, MB", at_most=0.7),
    Goal("peak memory at reload, MB", at_most=0.7),
    Goal("ready after start, s", at_most=0.1),
)
NOTHING: Sequence[str] = (
    "attacks passed under load",
    "attacks passed beside a flood",
    "attacks passed at reload",
    "requests lost at reload",
    "office objects lost",
)
"""Figures of ours that must be nought in every round: without them who lets everything pass would be the fastest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One goal after a run. `ratio` is None where it cannot be told."""

    figure: str
    wanted: str
    ratio: float | None
    met: bool | None


def judge(medians: Medians) -> list[Outcome]:
    """Every goal, in the order of the table."""
    ratios = [_outcome(goal, medians.get(goal.figure, {})) for goal in GOALS]
    return ratios + [_nought(figure, medians.get(figure, {})) for figure in NOTHING]


def _outcome(goal: Goal, found: Mapping[str, float]) -> Outcome:
    small = goal.at_most is not None
    against = "plain bridge" if goal.rival is Rival.PLAIN else "better Suricata"
    wanted = f"{'<=' if small else '>='} {goal.at_most if small else goal.at_least:g} x {against}"
    rivals = [found[name] for name in goal.rival.value if name in found]
    if OURS not in found or not rivals:
        return Outcome(goal.figure, wanted, None, None)
    base = found.get(PLAIN, 0.0) if goal.added else 0.0
    ours = max(0.0, found[OURS] - base)
    best = max(0.0, (min if small else max)(rivals) - base)
    ratio = ours / best if best else float("inf")
    met = ratio <= goal.at_most if goal.at_most is not None else ratio >= (goal.at_least or 0.0)
    return Outcome(goal.figure, wanted, ratio, met)


def _nought(figure: str, found: Mapping[str, float]) -> Outcome:
    ours = found.get(OURS)
    return Outcome(figure, "0", ours, None if ours is None else ours == 0)
