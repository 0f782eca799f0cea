"""A unit in QEMU whose power is cut at random moments of its life, and whose disk loses bits; see `cuts` and `decay`.

Goal (issue 4): whatever happens, it forwards, runs a version known to be good, and arrives at what it was told to run.
"""

import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lab.appliance import Factory
from lab.chaos.cuts import Cut, Supplies, live
from lab.chaos.decay import live_and_rot
from lab.chaos.faults import befall
from lab.chaos.revival import Revival, revive

_LIFETIME = 40
"""Cuts of one life: more of them come from further lives, with other moments."""


@dataclass(slots=True)
class Fates:
    """What became of the units."""

    revivals: list[Revival] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        revivals = [revival.as_json() for revival in self.revivals]
        return {"cuts": self.cuts, "rots": self.rots, "faults": self.faults, "revivals": revivals}

    @property
    def cuts(self) -> int:
        """How many of them lost their power, and nothing else."""
        return len(self.revivals) - self.rots - self.faults

    @property
    def faults(self) -> int:
        """How many of them met one of `faults`."""
        return sum(revival.fault for revival in self.revivals)

    @property
    def rots(self) -> int:
        """How many of them lost bits of their slot."""
        return sum(revival.rotten for revival in self.revivals)

    @property
    def problems(self) -> list[str]:
        return [f"unit {seen.number}: {problem}" for seen in self.revivals for problem in seen.problems]


def run(
    place: Path, *, cuts: int, rots: int = 0, faults: tuple[str, ...] = (), chance: int, follow: int = 1
) -> Fates:
    """Cut the power `cuts` times, let the slot that runs rot in `rots` units, and let these `faults` befall one each.

    Every `follow`-th unit (0: none) is followed until it has what was wanted; all must forward and run. `place` is an empty folder for what the run makes. A line is printed for each unit,
    and to stderr what takes long before it.
    """
    factory = Factory.found(place)
    _tell("building two versions, or finding them built")
    supplies = Supplies.made(factory)
    dice = random.Random(chance)  # noqa: S311 - chance, not secrets
    fates = Fates()
    print("unit  while             forwards answers arrives  runs", flush=True)
    while len(fates.revivals) < cuts:
        folder = place / f"life-{len(fates.revivals)}"
        folder.mkdir()
        lived = len(fates.revivals)
        wanted = min(_LIFETIME, cuts - lived)
        _tell(f"one unit lives, and is kept at {wanted} moments")
        made = live(supplies, folder, wanted, dice, first=lived)
        _revive(supplies, made, fates, follow)
    if rots:
        folder = place / "life-of-rot"
        folder.mkdir()
        _tell("one unit lives until both slots were good")
        _revive(supplies, live_and_rot(supplies, folder, rots, dice, first=cuts), fates, follow)
    if faults:
        folder = place / "life-of-faults"
        folder.mkdir()
        _tell("one unit lives, meets its servers, and updates")
        for seen in befall(supplies, factory, folder, faults, dice, first=cuts + rots):
            fates.revivals.append(seen)
            print(seen.line(), flush=True)
    return fates


def _tell(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def _revive(supplies: Supplies, made: Iterable[Cut], fates: Fates, follow: int) -> None:
    """One after the other: side by side, on two cores, each takes twice as long."""
    for cut in made:
        fates.revivals.append(revive(supplies, cut, follow=follow > 0 and cut.number % follow == 0))
        print(fates.revivals[-1].line(), flush=True)
