"""What a unified kernel image says about itself: which slot it starts, and which version it is.

Reads the `.cmdline` and `.osrel` sections (UAPI.5 Unified Kernel Image) of a PE file (Microsoft PE/COFF, section table
after the optional header), a few kilobytes at most, whatever the file claims. Believes the file, not its name.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from omamori.firmware.update.errors import SlotProblem
from omamori.protocol.errors import VersionError
from omamori.protocol.version import Version

SECTION_CAP = 16 * 1024
_SECTIONS = 64
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
            sections = {name: _section(file, *place) for name, place in _table(file).items()}
        slot = _SLOT.search(sections[".cmdline"])
        version = _VERSION.search(sections[".osrel"])
        if slot is None or version is None:
            raise SlotProblem(f"{path.name} names no slot or no version")
        return Uki(slot[1], Version.parse(version[1]))
    except (OSError, struct.error, KeyError, VersionError, OverflowError) as error:
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


def counted(stem: str, tries: int) -> str:
    """The name of a new entry."""
    return f"{stem}+{tries}.efi"


def _table(file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Section name -> (offset, size)."""
    head = file.read(64)
    if head[:2] != b"MZ":
        raise KeyError("MZ")
    file.seek(*struct.unpack_from("<I", head, 60))
    coff = file.read(24)
    if coff[:4] != b"PE\0\0":
        raise KeyError("PE")
    count, optional = struct.unpack_from("<H", coff, 6)[0], struct.unpack_from("<H", coff, 20)[0]
    file.seek(optional, 1)
    table: dict[str, tuple[int, int]] = {}
    for _ in range(min(count, _SECTIONS)):
        name, size, _address, raw, offset = struct.unpack("<8sIIII16x", file.read(40))
        table.setdefault(name.rstrip(b"\0").decode("ascii", "replace"), (offset, min(size, raw)))
    return {name: table[name] for name in (".cmdline", ".osrel")}


def _section(file: BinaryIO, offset: int, size: int) -> str:
    file.seek(offset)
    return file.read(min(size, SECTION_CAP)).rstrip(b"\0").decode("utf-8", "replace")
