"""What a unified kernel image says about itself: which slot it starts, which version it is, and what else would start with it.

Reads the `.cmdline` and `.osrel` sections (UAPI.5 Unified Kernel Image) of a PE file (Microsoft PE/COFF, section table
after the optional header), a few kilobytes at most, whatever the file claims. Believes the file, not its name.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from omamori.firmware.update.errors import SlotProblem
from omamori.protocol.errors import VersionError
from omamori.protocol.version import Version

SECTION_CAP = 16 * 1024
_SECTIONS = 64
_SLOT = re.compile(r"(?:^|\s)systemd\.verity_root_data=PARTLABEL=root-([ab])(?=\s|$)")
_ROOT_HASH = re.compile(r"(?:^|\s)roothash=([0-9a-f]{64})(?=\s|$)")
_OF_A_SLOT = ("roothash=", "systemd.verity_root_data=", "systemd.verity_root_hash=")
_PIECE = 1024 * 1024
_VERSION = re.compile(r"^IMAGE_VERSION=\"?([^\"\n]*)\"?$", re.MULTILINE)
_COUNTED = re.compile(r"(?P<stem>.+?)\+(?P<left>\d{1,3})(?:-(?P<done>\d{1,3}))?\.efi")


@dataclass(frozen=True, slots=True)
class Uki:
    """The slot whose partitions it names, and its version."""

    slot: str
    version: Version


@dataclass(frozen=True, slots=True)
class Kernel:
    """What a start of this image would bring beside its root: where two are equal, the one that runs will do for the other."""

    linux: str
    """SHA-256 of the kernel, as the next one of the initrd."""
    initrd: str
    options: tuple[str, ...]
    """The words of its command line that are the same for every slot and root."""


def read(path: Path) -> Uki:
    """Raises SlotProblem for a file that is no image of ours."""
    try:
        with path.open("rb") as file:
            table = _table(file)
            sections = {name: _section(file, *table[name]) for name in (".cmdline", ".osrel")}
        slot = _SLOT.search(sections[".cmdline"])
        version = _VERSION.search(sections[".osrel"])
        if slot is None or version is None:
            raise SlotProblem(f"{path.name} names no slot or no version")
        return Uki(slot[1], Version.parse(version[1]))
    except (OSError, struct.error, KeyError, VersionError, OverflowError) as error:
        raise SlotProblem(f"{path.name} is no boot image of ours ({error!r})") from error


def kernel(file: IO[bytes]) -> tuple[Kernel, str]:
    """And the root hash that its command line names. Raises SlotProblem where it has no kernel, no initrd or no such hash."""
    try:
        table = _table(file)
        line = _section(file, *table[".cmdline"])
        found = _ROOT_HASH.search(line)
        if found is None:
            raise SlotProblem("a boot image names no root hash")
        linux, initrd = (_digest(file, *table[name]) for name in (".linux", ".initrd"))
    except (OSError, struct.error, KeyError, OverflowError) as error:
        raise SlotProblem(f"a boot image cannot be compared ({error!r})") from error
    return Kernel(
        linux, initrd, tuple(word for word in line.split() if not word.startswith(_OF_A_SLOT))
    ), found[1]


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


def _table(file: IO[bytes]) -> dict[str, tuple[int, int]]:
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
    return table


def _section(file: IO[bytes], offset: int, size: int) -> str:
    file.seek(offset)
    return file.read(min(size, SECTION_CAP)).rstrip(b"\0").decode("utf-8", "replace")


def _digest(file: IO[bytes], offset: int, size: int) -> str:
    digest = hashlib.sha256()
    file.seek(offset)
    while size and (piece := file.read(min(_PIECE, size))):
        digest.update(piece)
        size -= len(piece)
    if size:
        raise KeyError("cut off")
    return digest.hexdigest()
