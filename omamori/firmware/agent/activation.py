"""How a unit becomes active, as pure transitions: it asks the fleet only after somebody pressed its button.

A refusal (wrong secret, activated already) goes back to waiting for the button, so that a person decides about the next
try; an outage is retried with full jitter, because the person has decided already.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias, assert_never

from omamori.protocol.backoff import full_jitter

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=4), timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Waiting:
    """For the button; `problem` says why the last try failed."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """The button was pressed; the fleet is asked at `due` (monotonic seconds)."""

    due: float
    failures: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Active:
    """The fleet signed; `answer` is the body of `Activated`."""

    answer: bytes


Phase: TypeAlias = Waiting | Asking | Active


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed the activation button."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The fleet answered."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The fleet did not answer."""

    problem: str


Event: TypeAlias = Pressed | Answered | Unreachable

_REFUSALS = {
    403: "the fleet does not know this unit or its claim (403)",
    409: "this unit was activated before, with another key (409)",
    413: "the fleet found the request too large (413)",
}


def after(phase: Phase, event: Event, *, now: float, chance: float) -> Phase:
    """What an event makes of a phase. `chance` in [0, 1) is the jitter of the next try."""
    match phase, event:
        case Waiting(), Pressed():
            return Asking(due=now)
        case Asking(failures=failures), Unreachable(problem=problem):
            return _again(failures + 1, problem, now, chance)
        case Asking(failures=failures), Answered(status=status, body=body):
            return _judged(status, body, failures, now, chance)
        case _:
            return phase


def describe(phase: Phase, *, lost: str = "") -> tuple[str, str]:
    """The words of the status: the phase and what is wrong. `lost`: why a unit that was active has no key any more."""
    match phase:
        case Waiting(problem=problem) if lost:
            return "key lost", problem or lost
        case Waiting(problem=problem):
            return "waiting for the button", problem
        case Asking(problem=problem):
            return "asking the fleet", problem
        case Active():
            return "active", ""
        case unhandled:
            assert_never(unhandled)


def _judged(status: int, body: bytes, failures: int, now: float, chance: float) -> Phase:
    if status == 200:
        return Active(body)
    if status == 429 or status >= 500:
        return _again(failures + 1, f"the fleet is busy ({status})", now, chance)
    return Waiting(_REFUSALS.get(status, f"the fleet refuses ({status})"))


def _again(failures: int, problem: str, now: float, chance: float) -> Asking:
    wait = full_jitter(failures, chance, first=FIRST_WAIT, most=LONGEST_WAIT)
    return Asking(now + 1 + wait.total_seconds(), failures, problem)
