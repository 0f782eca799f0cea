"""Bit rot: bits of a slot that turn while the unit is off, as a flash chip does that forgets. On the disk of a `Guest` that is stopped.

Where it rots decides what follows. The root's first block and the top of its hash tree are read at every start, so that the
kernel panics at once; without the seal's first block the root cannot even be opened; anything else is met when the whole root is read, before a start counts as a good one.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.appliance import powered
from lab.chaos.cuts import Cut, Supplies, arrive
from lab.chaos.disks import SECTOR, Disk
from omamori.image.build import Image

PLACES: Final[dict[str, tuple[str, int | None]]] = {
    "seal": ("hash", 0),
    "root": ("root", 0),
    "tree": ("hash", 4096),
    "anywhere": ("root", None),
}
"""What may rot: in which partition, and from which byte on; None is wherever chance has it."""


@dataclass(frozen=True, slots=True)
class Rot:
    """One sector of one partition; `offset` in bytes from the partition's start."""

    label: str
    offset: int

    @classmethod
    def of(cls, kind: str, slot: str, holds: Image, chance: random.Random) -> "Rot":
        """`holds`: what is in the slot."""
        part, offset = PLACES[kind]
        sectors = int(holds.report["figures"]["squashfs_mib"] * 2**20) // SECTOR
        return cls(f"{part}-{slot}", chance.randrange(sectors) * SECTOR if offset is None else offset)


def live_and_rot(
    supplies: Supplies, place: Path, wanted: int, chance: random.Random, *, first: int
) -> list[Cut]:
    """`wanted` units that have the new firmware in slot B for good, switched off, each with rot in it, of each kind in turn.

    Numbered from `first`. `place` must stay as long as they are used.
    """
    kept = [Cut(first + number, f"rot {kind}", place / f"rot-{number}") for number, kind in _turns(wanted)]
    with powered(supplies.image, place / "life") as site:
        site.guest.wait_for_ssh(seconds=300)
        with site.serving(supplies.served):
            arrive(site, lambda _: None)
        site.guest.wait(lambda: len(site.good()) == 2, seconds=300, what="two good slots", pause=1)
        site.guest.ssh("sync")
        for cut in kept:
            site.guest.keep(cut.folder)
    for cut, (_, kind) in zip(kept, _turns(wanted), strict=True):
        rot = Rot.of(kind, "b", supplies.image, chance)
        Disk.of(cut.folder, chance).turn(rot.label, rot.offset)
    return kept


def _turns(wanted: int) -> list[tuple[int, str]]:
    kinds = list(PLACES)
    return [(number, kinds[number % len(kinds)]) for number in range(wanted)]
