"""The disk or stick that an image is to be written to: what it is, what is on it, and every reason not to touch it. Only looks.

Facts come from sysfs and the table of mounts. Who else has it open for himself (a mount in another namespace, swap, RAID, a
volume) is for the kernel to say when it is opened, see `flash.py`.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omamori.image.errors import TargetRefused

SECTOR: Final = 512
_SYSTEM: Final = frozenset({"/", "/boot", "/boot/efi", "/efi", "/home", "/usr", "/var"})
_READ: Final = 4096


@dataclass(frozen=True, slots=True)
class Part:
    """One partition that the kernel knows; `size` in bytes."""

    name: str
    label: str
    size: int


@dataclass(frozen=True, slots=True)
class Target:
    """A whole disk; sizes in bytes. `uses` says what this machine does with it now."""

    path: Path
    name: str
    number: int
    size: int
    sector: int
    model: str
    serial: str
    removable: bool
    read_only: bool
    parts: tuple[Part, ...]
    uses: tuple[str, ...]

    def describe(self) -> str:
        """One line by which a person recognises it."""
        kind = "removable" if self.removable else "built in"
        return ", ".join(
            filter(
                None, (self.model, f"{self.size / 1e9:.1f} GB", kind, self.serial and f"no. {self.serial}")
            )
        )


def examine(path: Path, root: Path = Path("/")) -> Target:
    """What `path` is. Raises TargetRefused where it is no whole disk."""
    try:
        found = path.stat()
    except OSError as error:
        raise TargetRefused(f"{path}: {error.strerror}") from error
    if not stat.S_ISBLK(found.st_mode):
        raise TargetRefused(f"{path} is no disk; lsblk lists those there are")
    place = (root / f"sys/dev/block/{_spelled(found.st_rdev)}").resolve()
    if (place / "partition").exists():
        raise TargetRefused(f"{path} is a partition; the image needs the whole disk /dev/{place.parent.name}")
    return Target(
        path=path,
        name=place.name,
        number=found.st_rdev,
        size=_number(place / "size") * SECTOR,
        sector=_number(place / "queue/logical_block_size"),
        model=" ".join(filter(None, (_text(place / "device/vendor"), _text(place / "device/model")))),
        serial=_text(place / "device/serial"),
        removable=_number(place / "removable") == 1,
        read_only=_number(place / "ro") == 1,
        parts=tuple(_part(each) for each in _partitions(place)),
        uses=tuple(_uses(place, root)),
    )


def refusals(target: Target, needed: int) -> Iterator[str]:
    """Why an image of `needed` bytes must not be written there; nothing where it may be."""
    if target.read_only:
        yield "it is write-protected"
    if target.sector != SECTOR:
        yield f"its sectors have {target.sector} bytes, the image is made for {SECTOR}"
    if target.size < needed:
        yield f"it has {target.size:,} bytes, the image needs {needed:,}"
    yield from target.uses


def _uses(place: Path, root: Path) -> Iterator[str]:
    """Mounts of it and of its partitions, and the volumes they are part of."""
    parts = {_text(each / "dev"): each.name for each in (place, *_partitions(place))}
    for number, point, source in _mounts(root):
        name = parts.get(number) or parts.get(_number_of(source))
        if name:
            own = " (this machine runs from it)" if point in _SYSTEM else ""
            yield f"{name} is mounted at {point}{own}"
    for each in (place, *_partitions(place)):
        for holder in sorted((each / "holders").glob("*")):
            yield f"{each.name} is part of {holder.name}"


def _mounts(root: Path) -> Iterator[tuple[str, str, str]]:
    """Device number, place and source of each mount (proc_pid_mountinfo(5))."""
    for line in (root / "proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
        words, _, rest = line.partition(" - ")
        fields, sources = words.split(), rest.split()
        if len(fields) > 4 and len(sources) > 1:
            yield fields[2], _unescaped(fields[4]), _unescaped(sources[1])


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _number_of(source: str) -> str:
    """File systems over several disks have a number of their own; their source names one of them."""
    if source.startswith("/dev/"):
        with contextlib.suppress(OSError):
            found = Path(source).stat()
            return _spelled(found.st_rdev) if stat.S_ISBLK(found.st_mode) else ""
    return ""


def _spelled(number: int) -> str:
    return f"{os.major(number)}:{os.minor(number)}"


def _partitions(place: Path) -> list[Path]:
    return sorted(each.parent for each in place.glob("*/partition"))


def _part(place: Path) -> Part:
    label = re.search(r"^PARTNAME=(.*)$", _text(place / "uevent"), re.MULTILINE)
    return Part(place.name, label[1] if label else "", _number(place / "size") * SECTOR)


def _text(path: Path) -> str:
    """What a small file of sysfs says; nothing where there is none."""
    try:
        with path.open("rb") as opened:
            return opened.read(_READ).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else 0
