"""Counts outcomes: the confusion matrix, time to verdict, false findings, and whether the goals are met."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from lab.wiring.trial import Outcome

ROOT_SHARE: Final = 0.95
MEDIAN, WORST = 30.0, 120.0
"""Seconds from link up."""


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes of one run."""

    singles: Sequence[Outcome]
    mixtures: Sequence[Outcome]
    correct: Sequence[Outcome]
    longer: dict[str, dict[str, int]]
    """Correct offices by name: simulated seconds of each false finding in ten minutes."""

    @property
    def seconds(self) -> list[float]:
        """To the right verdict, of every fault that was found."""
        told = (outcome.seconds for outcome in (*self.singles, *self.mixtures))
        return sorted(seconds for seconds in told if seconds is not None)

    def matrix(self) -> dict[str, dict[str, int]]:
        """Truth, and what was told first in the end."""
        counted: dict[str, Counter[str]] = {}
        for outcome in (*self.singles, *self.correct):
            counted.setdefault(str(outcome.case.root), Counter())[str((*outcome.last, "nothing")[0])] += 1
        return {truth: dict(told) for truth, told in counted.items()}

    def goals(self) -> dict[str, bool]:
        """Each goal, and whether it is met; one that was not tried is left out."""
        found: dict[str, bool] = {}
        if self.singles:
            found["every single fault is named first and alone"] = all(
                each.right_root and each.complete for each in self.singles
            )
        if self.mixtures:
            right = sum(each.right_root for each in self.mixtures)
            found["95 % of mixtures have the right root cause"] = right >= ROOT_SHARE * len(self.mixtures)
        if self.correct:
            clean = all(not each.false_findings and not each.trouble for each in self.correct)
            found["no finding on a correct topology"] = clean
            found["none in ten simulated minutes"] = not any(self.longer.values())
        if self.singles or self.mixtures:
            missed = len(self.seconds) < len(self.singles) + len(self.mixtures)
            found["median under 30 s"] = bool(self.seconds) and median(self.seconds) < MEDIAN
            found["worst under 120 s"] = not missed and self.seconds[-1] < WORST
        return found

    def figures(self) -> dict[str, object]:
        """For a file."""
        return {
            "singles": [_row(outcome) for outcome in self.singles],
            "mixtures": [_row(outcome) for outcome in self.mixtures],
            "correct": [_row(outcome) for outcome in self.correct],
            "simulated": self.longer,
            "matrix": self.matrix(),
            "mixtures_right_root": f"{sum(each.right_root for each in self.mixtures)}/{len(self.mixtures)}",
            "mixtures_complete": f"{sum(each.complete for each in self.mixtures)}/{len(self.mixtures)}",
            "seconds_median": median(self.seconds) if self.seconds else None,
            "seconds_worst": self.seconds[-1] if self.seconds else None,
            "goals": self.goals(),
        }

    def lines(self) -> list[str]:
        """For a terminal."""
        text = ["", "truth -> told first"]
        text += [
            f"  {truth:24} {', '.join(f'{code} x{n}' for code, n in told.items())}"
            for truth, told in self.matrix().items()
        ]
        if self.seconds:
            text.append(
                f"time to verdict: median {median(self.seconds):.1f} s, worst {self.seconds[-1]:.1f} s"
            )
        if self.mixtures:
            right = sum(each.right_root for each in self.mixtures)
            whole = sum(each.complete for each in self.mixtures)
            text.append(
                f"mixtures: root cause right in {right} of {len(self.mixtures)}, both told and nothing else in {whole}"
            )
        text += [f"{'met ' if met else 'MISS'} {goal}" for goal, met in self.goals().items()]
        return text


def line(outcome: Outcome) -> str:
    """One trial, as it ends."""
    seconds = outcome.seconds
    mark = "ok  " if outcome.right_root and outcome.complete and not outcome.trouble else "FAIL"
    took = "never" if seconds is None else f"{seconds:5.1f} s"
    wrong = f"  also said: {', '.join(outcome.false_findings)}" if outcome.false_findings else ""
    trouble = f"  {outcome.trouble}" if outcome.trouble else ""
    told = "" if outcome.complete else f"  told {', '.join(outcome.last)}"
    return f"{mark} {outcome.case.name:48} {took}{told}{wrong}{trouble}"


def _row(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.case.name,
        "truth": [str(code) for code in outcome.case.truth],
        "told": list(outcome.last),
        "seconds": outcome.seconds,
        "false": list(outcome.false_findings),
        "said": [[at, list(codes)] for at, codes in outcome.said],
        "trouble": outcome.trouble,
    }
