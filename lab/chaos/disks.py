"""What may happen to a unit's disk while it is off: bits that turn in its boot partition and its data, sectors that cannot be read any more.

On the folder of a `Guest` that is stopped. Where the bits are is asked of the file system itself, so that what is hit is known.
"""

import random
import re
import subprocess
from pathlib import Path
from typing import Final, Self

from lab.qemu import Qemu
from omamori.image.architecture import here
from omamori.image.parts import partitions, sections
from omamori.image.state import State

SECTOR: Final = 512
BLOCK: Final = 4096
BITS: Final = 16
"""How many of them turn."""
_COPIES: Final = re.compile(r"(?:Primary|Backup) superblock at (\d+)")
_INODES: Final = re.compile(r"Inode table at (\d+)")


class Disk:
    """`raw`: the whole disk in a file, partition table first."""

    def __init__(self, raw: Path, chance: random.Random) -> None:
        self._raw, self._chance = raw, chance

    @classmethod
    def of(cls, folder: Path, chance: random.Random) -> Self:
        """The disk of a stopped guest, made one raw file; an empty overlay takes its place. Raises OSError."""
        raw, overlay = folder / "disk.raw", folder / "disk.qcow2"
        tool = Qemu.find(State.of()).image_tool
        _run(*tool, "convert", "-O", "raw", overlay, raw)
        overlay.unlink()
        _run(*tool, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw, overlay)
        return cls(raw, chance)

    def sector(self, label: str, offset: int = 0) -> int:
        """Number, from the disk's start, of the sector at `offset` bytes of a partition."""
        return (self._start(label) + offset) // SECTOR

    def turn(self, label: str, offset: int, size: int = SECTOR) -> None:
        """A few bits of those bytes of a partition."""
        with self._raw.open("r+b") as disk:
            disk.seek(self._start(label) + offset)
            turned = self._turned(disk.read(size))
            disk.seek(self._start(label) + offset)
            disk.write(turned)

    def turn_in_file(self, path: str, section: str) -> None:
        """A few bits in the middle of a section of a program on the boot partition."""
        there = f"{self._raw}@@{self._start('esp')}"
        content = _run("mtype", "-i", there, f"::/{path}")
        part = sections(content)[section]
        middle = content.index(part[:BLOCK]) + len(part) // 2
        altered = (
            content[:middle] + self._turned(content[middle : middle + SECTOR]) + content[middle + SECTOR :]
        )
        _run("mcopy", "-o", "-i", there, "-", f"::/{path}", given=altered)

    def loaders(self) -> tuple[str, ...]:
        """The boot loader's copies, as paths on the boot partition; units under chaos are of this machine's kind."""
        return tuple(path.removeprefix("/") for path in here().loader_copies)

    def entry(self, version: str) -> str:
        """The committed boot entry of a version, as a path on the boot partition."""
        return f"EFI/Linux/omamori-{version}.efi"

    def superblocks(self) -> list[int]:
        """Where the data partition's superblock and its copies are, in bytes."""
        return [int(block) * BLOCK or 1024 for block in _COPIES.findall(self._described())]

    def inodes(self) -> int:
        """Where the data partition's first inodes are, in bytes."""
        found = _INODES.search(self._described())
        if found is None:
            raise OSError("the data partition has no inodes")
        return int(found[1]) * BLOCK

    def journal(self) -> int:
        """Where the data partition's journal begins, in bytes."""
        blocks = _run("debugfs", "-R", "blocks <8>", self._data()).split()
        return int(blocks[0]) * BLOCK

    def _described(self) -> str:
        return _run("dumpe2fs", self._data()).decode(errors="replace")

    def _data(self) -> str:
        return f"{self._raw}?offset={self._start('omamori-data')}"

    def _start(self, label: str) -> int:
        return next(part.start for part in partitions(self._raw) if part.name == label)

    def _turned(self, content: bytes) -> bytes:
        turned = bytearray(content)
        for number in self._chance.sample(range(len(turned)), min(BITS, len(turned))):
            turned[number] ^= 1 << self._chance.randrange(8)
        return bytes(turned)


def _run(*words: str | Path, given: bytes = b"") -> bytes:
    """Raises OSError with what the program said."""
    done = subprocess.run([str(word) for word in words], input=given, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{words[0]}: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout
