"""What a check finds, as lines for a person and for the factory's files. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Of one line."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True)
class Line:
    """`check` says what was looked at, `detail` what was found."""

    check: str
    outcome: Outcome
    detail: str

    def __str__(self) -> str:
        return f"{self.outcome} {self.check}: {self.detail}"


def judged(check: str, detail: str, *, good: bool) -> Line:
    return Line(check, Outcome.PASS if good else Outcome.FAIL, detail)


def skipped(check: str, why: str) -> Line:
    return Line(check, Outcome.SKIP, why)


def passed(lines: Iterable[Line]) -> bool:
    """Whether a unit may be shipped: something was tested, and nothing failed."""
    outcomes = [line.outcome for line in lines]
    return Outcome.PASS in outcomes and Outcome.FAIL not in outcomes


def summary(lines: Iterable[Line]) -> str:
    """The last line of all."""
    listed = list(lines)
    count = {outcome: sum(line.outcome is outcome for line in listed) for outcome in Outcome}
    left_out = f", {count[Outcome.SKIP]} left out" if count[Outcome.SKIP] else ""
    verdict = Outcome.PASS if passed(listed) else Outcome.FAIL
    return f"{verdict}: {count[Outcome.PASS]} passed, {count[Outcome.FAIL]} failed{left_out}"
