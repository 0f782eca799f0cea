"""What a unified kernel image says about itself: which slot it starts, and which version it is; and how its name counts its starts.

Believes the file, not its name.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from omamori.firmware.update.errors import SlotProblem
from omamori.protocol import boot_image
from omamori.protocol.errors import BootImageError, VersionError
from omamori.protocol.version import Version

_SLOT = re.compile(r"(?:^|\s)systemd\.verity_root_data=PARTLABEL=root-([ab])(?=\s|$)")
_VERSION = re.compile(r"^IMAGE_VERSION=\"?([^\"\n]*)\"?$", re.MULTILINE)
_COUNTED = re.compile(r"(?P<stem>.+?)\+(?P<left>\d{1,3})(?:-(?P<done>\d{1,3}))?\.efi")


@dataclass(frozen=True, slots=True)
class Uki:
    """The slot whose partitions it names, and its version."""

    slot: str
    version: Version


def read(path: Path) -> Uki:
    """Raises SlotProblem for a file that is no image of ours."""
    try:
        with path.open("rb") as file:
            line, release = boot_image.texts(file, ".cmdline", ".osrel")
        slot, version = _SLOT.search(line), _VERSION.search(release)
        if slot is None or version is None:
            raise SlotProblem(f"{path.name} names no slot or no version")
        return Uki(slot[1], Version.parse(version[1]))
    except (OSError, BootImageError, VersionError) as error:
        raise SlotProblem(f"{path.name} is no boot image of ours ({error!r})") from error


def tries_left(name: str) -> int | None:
    """Boots left by the file's name (systemd.boot(7), automatic boot assessment); None where it is not counted."""
    found = _COUNTED.fullmatch(name)
    return int(found["left"]) if found else None


def exhausted(name: str) -> str:
    """The name of the same entry with no tries left; systemd-boot then prefers every other entry."""
    found = _COUNTED.fullmatch(name)
    if not found:
        return name
    done = int(found["done"] or 0) + int(found["left"])
    return f"{found['stem']}+0-{done}.efi"


def set_aside(name: str) -> str:
    """The name with which an entry that was blessed comes after every other one; `blessed` undoes it."""
    return exhausted(name) if _COUNTED.fullmatch(name) else f"{name.removesuffix('.efi')}+0.efi"


def blessed(name: str) -> str:
    """The name without its counter."""
    found = _COUNTED.fullmatch(name)
    return f"{found['stem']}.efi" if found else name


def was_good(name: str) -> bool:
    """Whether an entry was blessed once, and perhaps set aside since; one that waits for its trial or failed it never was."""
    return name in {blessed(name), set_aside(blessed(name))}


def counted(stem: str, tries: int) -> str:
    """The name of a new entry."""
    return f"{stem}+{tries}.efi"
