"""Bit rot: bits of a slot turned while the unit is off, as a flash chip that forgets does it. The disk of a `Guest` that is stopped.

Where it rots decides what follows: the root's first block and the top of its hash tree are read at every start, so the
kernel panics at once; the seal's first block cannot even be opened; anywhere else may be read late or never.
"""

import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.qemu import Qemu
from omamori.image.build import Image
from omamori.image.parts import partitions
from omamori.image.state import State

SECTOR: Final = 512
PLACES: Final = {
    "root": ("root", 0),
    "tree": ("hash", 4096),
    "seal": ("hash", 0),
    "anywhere": ("root", None),
}
"""What rots: in which partition, and where; None is by chance."""
_DUMP: Final = re.compile(r"^[0-9a-f]{8}: ((?: [0-9a-f]{2})+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rot:
    """One sector of one partition; `offset` in bytes from the partition's start."""

    label: str
    offset: int

    @classmethod
    def of(cls, kind: str, slot: str, image: Image, chance: random.Random) -> "Rot":
        """`image` is what the slot holds."""
        part, offset = PLACES[kind]
        size = int(image.report["figures"]["squashfs_mib"] * 2**20) // SECTOR
        return cls(f"{part}-{slot}", chance.randrange(size) * SECTOR if offset is None else offset)


def decay(rot: Rot, image: Image, disk: Path, chance: random.Random) -> None:
    """Turn a bit of each of sixteen bytes. `image` is what the disk began as."""
    start = next(part.start for part in partitions(image.disk) if part.name == rot.label)
    place = start + rot.offset
    sector = bytearray(_read(disk, place))
    for number in chance.sample(range(SECTOR), 16):
        sector[number] ^= 1 << chance.randrange(8)
    turned = disk.with_name("rot")
    turned.write_bytes(sector)
    _qemu_io(disk, f"write -s {turned} {place} {SECTOR}")
    if _read(disk, place) != bytes(sector):
        raise OSError(f"{disk} does not keep what is written to it")


def _read(disk: Path, place: int) -> bytes:
    said = _qemu_io(disk, f"read -v {place} {SECTOR}")
    return bytes.fromhex("".join(_DUMP.findall(said)))


def _qemu_io(disk: Path, order: str) -> str:
    *loader, tool = Qemu.find(State.of()).image_tool
    program = Path(tool).with_name("qemu-io")
    words = [
        *loader,
        str(program) if Path(tool).is_absolute() else "qemu-io",
        "-f",
        "qcow2",
        "-c",
        order,
        str(disk),
    ]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return done.stdout
