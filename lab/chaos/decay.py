"""Bit rot: bits of a slot that turn while the unit is off, as a flash chip does that forgets. On the disk of a `Guest` that is stopped.

Where it rots decides what follows. The root's first block and the top of its hash tree are read at every start, so that the
kernel panics at once; without the seal's first block the root cannot even be opened; anything else may be read late or never.
"""

import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.appliance import powered
from lab.chaos.cuts import Cut, Supplies, arrive
from lab.qemu import Qemu
from omamori.image.build import Image
from omamori.image.parts import partitions
from omamori.image.state import State

SECTOR: Final = 512
BITS: Final = 16
PLACES: Final[dict[str, tuple[str, int | None]]] = {
    "seal": ("hash", 0),
    "root": ("root", 0),
    "tree": ("hash", 4096),
    "anywhere": ("root", None),
}
"""What may rot: in which partition, and from which byte on; None is wherever chance has it."""
_DUMP: Final = re.compile(r"^[0-9a-f]{8}: ((?: [0-9a-f]{2})+)", re.MULTILINE)


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


def decay(rot: Rot, began: Path, disk: Path, chance: random.Random) -> None:
    """Turn a few bits of that sector of `disk` (`.raw` or `.qcow2`); `began` is the raw disk below it, or itself.

    Raises OSError where that does not come off.
    """
    place = next(part.start for part in partitions(began) if part.name == rot.label) + rot.offset
    sector = bytearray(_read(disk, place))
    for number in chance.sample(range(SECTOR), BITS):
        sector[number] ^= 1 << chance.randrange(8)
    rotten = disk.with_name("rotten")
    rotten.write_bytes(sector)
    _qemu_io(disk, f"write -s {rotten} {place} {SECTOR}")
    if _read(disk, place) != bytes(sector):
        raise OSError(f"{disk} does not keep what is written to it")


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
        decay(rot, supplies.image.disk, cut.folder / "disk.qcow2", chance)
    return kept


def _turns(wanted: int) -> list[tuple[int, str]]:
    kinds = list(PLACES)
    return [(number, kinds[number % len(kinds)]) for number in range(wanted)]


def _read(disk: Path, place: int) -> bytes:
    said = _qemu_io(disk, f"read -v {place} {SECTOR}")
    return bytes.fromhex("".join(_DUMP.findall(said)))


def _qemu_io(disk: Path, order: str) -> str:
    *loader, tool = Qemu.find(State.of()).image_tool
    program = tool.removesuffix("qemu-img") + "qemu-io"  # of the same package
    form = disk.suffix.removeprefix(".")
    words = [*loader, program, "-f", form, "-c", order, str(disk)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"qemu-io {order}: {done.stderr[-500:]}")
    return done.stdout
