"""What a boot image (UAPI.5 Unified Kernel Image) brings beside its root: kernel, initrd and the words of the kernel's command line.

Reads sections of a PE file (Microsoft PE/COFF, section table after the optional header), bounded whatever the file claims.
Pure: nothing here opens a file.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import IO

from omamori.protocol.errors import BootImageError

SECTION_CAP = 16 * 1024
_SECTIONS = 64
_ROOT_HASH = re.compile(r"(?:^|\s)roothash=([0-9a-f]{64})(?=\s|$)")
_OF_A_SLOT = ("roothash=", "systemd.verity_root_data=", "systemd.verity_root_hash=")
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kernel:
    """What a start of this image would bring beside its root: where two are equal, the one that runs will do for the other."""

    linux: str
    """SHA-256 of the kernel, as the next one of the initrd."""
    initrd: str
    options: tuple[str, ...]
    """The words of its command line that are the same for every slot and root."""


def kernel(file: IO[bytes]) -> tuple[Kernel, str]:
    """And the root hash that its command line names. Raises BootImageError where it has no kernel, no initrd or no such hash."""
    try:
        table = _table(file)
        line = _section(file, *table[".cmdline"])
        found = _ROOT_HASH.search(line)
        if found is None:
            raise BootImageError("a boot image names no root hash")
        linux, initrd = (_digest(file, *table[name]) for name in (".linux", ".initrd"))
    except (OSError, struct.error, KeyError, OverflowError) as error:
        raise BootImageError(f"a boot image cannot be compared ({error!r})") from error
    options = tuple(word for word in line.split() if not word.startswith(_OF_A_SLOT))
    return Kernel(linux, initrd, options), found[1]


def differing(one: Kernel, other: Kernel) -> str:
    """The first of their parts that is not the same; empty where all are."""
    if one.linux != other.linux:
        return "its kernel"
    if one.initrd != other.initrd:
        return "its initrd"
    return "its kernel command line" if one.options != other.options else ""


def texts(file: IO[bytes], *names: str) -> list[str]:
    """These sections, 16 KiB of each at most. Raises BootImageError."""
    try:
        table = _table(file)
        return [_section(file, *table[name]) for name in names]
    except (OSError, struct.error, KeyError, OverflowError) as error:
        raise BootImageError(f"no boot image ({error!r})") from error


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
