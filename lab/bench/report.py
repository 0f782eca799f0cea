"""From samples to medians, and a table for people; pure."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from lab.bench.goals import NOTHING, Medians, Outcome

Samples = dict[str, dict[str, list[float]]]
"""Figure -> contestant -> one value for each round."""


def note(samples: Samples, contestant: str, figures: Mapping[str, float]) -> None:
    """Adds one round's figures."""
    for name, value in figures.items():
        samples.setdefault(name, {}).setdefault(contestant, []).append(value)


def medians(samples: Samples) -> Medians:
    """Over the rounds; of what must never happen, the worst round."""
    return {
        figure: {
            name: (max if figure in NOTHING else statistics.median)(values) for name, values in by.items()
        }
        for figure, by in samples.items()
    }


def lines(found: Medians, outcomes: Sequence[Outcome], contestants: Sequence[str]) -> Iterator[str]:
    """Figures by contestant, then the goals with their ratios."""
    yield f"{'':32}" + "".join(f"{name:>18}" for name in contestants)
    for figure, by in found.items():
        yield f"{figure:32}" + "".join(f"{_shown(by.get(name)):>18}" for name in contestants)
    yield ""
    for outcome in outcomes:
        state = {True: "met", False: "MISSED", None: "open"}[outcome.met]
        yield f"{outcome.figure:32}{_shown(outcome.ratio):>10}   wanted {outcome.wanted:28}{state}"


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
