"""A unit in QEMU whose power is cut at random moments of its life, and whose disk loses bits; see `cuts` and `decay`.

Goal (issue 4): whatever happens, it forwards, runs a version known to be good, and arrives at what it was told to run.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from lab.appliance import Factory
from lab.chaos.cuts import Cut, Supplies, live
from lab.chaos.revival import Revival, revive

_LIFETIME = 40
"""Cuts of one life: more of them come from further lives, with other moments."""
_AT_ONCE = 2
"""Units started side by side."""


@dataclass(slots=True)
class Fates:
    """What became of the units."""

    revivals: list[Revival] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {"cuts": len(self.revivals), "revivals": [revival.as_json() for revival in self.revivals]}

    @property
    def problems(self) -> list[str]:
        return [f"cut {seen.number}: {problem}" for seen in self.revivals for problem in seen.problems]


def run(place: Path, *, cuts: int, chance: int, follow: int = 1) -> Fates:
    """Cut the power `cuts` times. Every `follow`-th unit is followed until it has what was wanted; all must forward and run.

    `place` is an empty folder for what the run makes. Progress is printed, a line for each unit.
    """
    supplies = Supplies.made(Factory.found(place))
    dice = random.Random(chance)  # noqa: S311 - chance, not secrets
    fates = Fates()
    print(" cut  while      forwards answers arrives  runs")
    while len(fates.revivals) < cuts:
        folder = place / f"life-{len(fates.revivals)}"
        folder.mkdir()
        made = live(supplies, folder, min(_LIFETIME, cuts - len(fates.revivals)), dice)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for seen in pool.map(lambda cut: _revived(supplies, cut, follow), made):
                fates.revivals.append(seen)
                print(seen.line(), flush=True)
    return fates


def _revived(supplies: Supplies, cut: Cut, follow: int) -> Revival:
    return revive(supplies, cut, follow=cut.number % follow == 0)
