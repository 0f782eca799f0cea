"""One line a step with its evidence, and the summary; the same as JSON for a machine."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path


class StepFailed(Exception):  # noqa: N818 - what happened, in the demo's words
    """A step did not show what it promises; the text says what was seen instead."""


@dataclass(slots=True)
class Outcome:
    """What a step showed."""

    number: int
    title: str
    passed: bool
    evidence: str
    seconds: float
    figures: dict[str, float] = field(default_factory=dict)


class Report:
    """Runs steps and keeps what they showed."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.started = time.monotonic()

    def note(self, text: str) -> None:
        """Progress within a step, on stderr."""
        print(f"      {text}", file=sys.stderr, flush=True)

    def play(self, number: int, title: str, step: Callable[[], str]) -> bool:
        """Run one step; any error of it is its failure, with the reason."""
        began = time.monotonic()
        try:
            evidence, passed = step(), True
        except Exception as error:  # noqa: BLE001 - the demo reports every failure and goes on
            evidence, passed = (
                f"{type(error).__name__}: {error}" if not isinstance(error, StepFailed) else str(error),
                False,
            )
        outcome = Outcome(number, title, passed, evidence, round(time.monotonic() - began, 1))
        self.outcomes.append(outcome)
        print(self.line(outcome), flush=True)
        return passed

    @staticmethod
    def line(outcome: Outcome) -> str:
        mark = "\033[32m✔\033[0m" if outcome.passed else "\033[31m✘\033[0m"
        return (
            f"{mark} {outcome.number:2}. {outcome.title} ({outcome.seconds:.0f} s)\n      {outcome.evidence}"
        )

    @property
    def passed(self) -> bool:
        return all(outcome.passed for outcome in self.outcomes)

    def summary(self) -> str:
        bad = [f"{o.number}. {o.title}" for o in self.outcomes if not o.passed]
        took = time.monotonic() - self.started
        counts = f"{len(self.outcomes) - len(bad)} of {len(self.outcomes)} steps shown in {took:.0f} s"
        return counts + (f"; failed: {'; '.join(bad)}" if bad else "")

    def write(self, path: Path) -> None:
        """The outcomes as JSON."""
        body = {
            "passed": self.passed,
            "seconds": round(time.monotonic() - self.started, 1),
            "steps": [asdict(o) for o in self.outcomes],
        }
        path.write_text(json.dumps(body, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
