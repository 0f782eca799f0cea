"""Is a new pack doing harm? Decided purely from what the units that were asked for it say, before it goes to the others.

Two signs: units refuse it, or units that took it suddenly detect far more than the same units did before. One unit's bad
day is no sign: an attack on one customer raises one unit's count, a bad pack raises many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil


@dataclass(frozen=True, slots=True)
class Limits:
    """When a pack is withdrawn by itself."""

    refused_share: float = 0.1
    """Of the units that took or refused it."""
    growth: float = 5.0
    """Detections since the swap, as a multiple of those in as long a time before."""
    floor: int = 20
    """Detections of one unit that are nothing unusual, whatever it had before."""
    share: float = 0.2
    """Of the units that took it, must show that growth."""
    window: timedelta = timedelta(hours=24)
    """How long after its swap a unit is watched, and how far back it is compared."""


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Counted:
    """Detections of one unit that took the pack: since it did, and in as long a time before."""

    unit: str
    before: int
    since: int


def verdict(refused: int, done: int, taken: Sequence[Counted], limits: Limits = USUAL) -> str:
    """Why the pack is withdrawn; empty where it is not. `done`: units that took it, ever; `taken`: those of them that are watched."""
    judged = refused + max(done, len(taken))
    if refused and refused >= judged * limits.refused_share:
        return f"{refused} of {judged} units refused it"
    grown = [each for each in taken if each.since > each.before * limits.growth + limits.floor]
    if len(grown) >= max(min(2, len(taken)), ceil(len(taken) * limits.share)) and grown:
        most = max(grown, key=lambda each: each.since)
        return (
            f"detections exploded at {len(grown)} of {len(taken)} units: {most.unit} had {most.before} before"
            f" and {most.since} in as long a time since"
        )
    return ""
