"""Taking finished files apart: the sections of a kernel image (PE), the partitions of a disk (GPT). Pure, bounded, never trusting a length."""

import struct
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from omamori.image.errors import EvidenceError

SIGNATURE = "signature"
_SECTOR = 512
_MOST = 128


@dataclass(frozen=True, slots=True)
class Partition:
    """`start` and `size` in bytes."""

    name: str
    start: int
    size: int
    type: UUID
    id: UUID


def sections(data: bytes) -> dict[str, bytes]:
    """Section name to content (without padding), and `signature` where there is one. Raises EvidenceError.

    Microsoft PE/COFF, sections 3 and 4: the header's place is at 0x3c, section headers follow the optional header.
    """
    try:
        return _sections(data)
    except (struct.error, UnicodeDecodeError) as error:
        raise EvidenceError(f"no kernel image: {error}") from error


def _sections(data: bytes) -> dict[str, bytes]:
    (header,) = struct.unpack_from("<I", data, 0x3C)
    if data[:2] != b"MZ" or data[header : header + 4] != b"PE\0\0":
        raise EvidenceError("no kernel image: the PE header is not there")
    count, optional = struct.unpack_from("<H12xH", data, header + 6)
    if count > _MOST:
        raise EvidenceError(f"no kernel image: {count} sections")
    found = {"header": _without_checks(data, header)}
    for number in range(count):
        at = header + 24 + optional + 40 * number
        name, virtual, _, size, place = struct.unpack_from("<8sIIII", data, at)
        found[name.rstrip(b"\0").decode()] = data[place : place + min(virtual, size)]
    place, size = _directory(data, header, 4)
    if size:
        found[SIGNATURE] = data[place : place + size]
    return found


def _directory(data: bytes, header: int, number: int) -> tuple[int, int]:
    """An entry of the data directories of a 64-bit image."""
    (count,) = struct.unpack_from("<I", data, header + 24 + 108)
    if number >= count:
        return 0, 0
    place, size = struct.unpack_from("<II", data, header + 24 + 112 + 8 * number)
    return int(place), int(size)


def _without_checks(data: bytes, header: int) -> bytes:
    """The headers without checksum and place of the signature, which signing changes."""
    (size,) = struct.unpack_from("<I", data, header + 24 + 60)
    head = bytearray(data[: min(size, 2**16)])
    checksum, certificates = header + 24 + 64, header + 24 + 112 + 8 * 4
    head[checksum : checksum + 4] = bytes(4)
    head[certificates : certificates + 8] = bytes(8)
    return bytes(head)


def partitions(disk: Path) -> list[Partition]:
    """The used entries of a GUID partition table (UEFI 2.10, section 5.3). Raises EvidenceError."""
    with disk.open("rb") as opened:
        opened.seek(_SECTOR)
        head = opened.read(_SECTOR)
        if len(head) < _SECTOR or head[:8] != b"EFI PART":
            raise EvidenceError(f"{disk.name} has no partition table")
        place, count, size = struct.unpack_from("<QII", head, 72)
        if count > _MOST or not 128 <= size <= 4096 or place > 2**20:
            raise EvidenceError(
                f"{disk.name} has a partition table that cannot be: {count} entries of {size}"
            )
        opened.seek(place * _SECTOR)
        table = opened.read(count * size)
    entries = [table[at : at + 128] for at in range(0, len(table) - 127, size)]
    return [_partition(entry) for entry in entries if any(entry[:16])]


def _partition(entry: bytes) -> Partition:
    first, last = struct.unpack_from("<QQ", entry, 32)
    name = entry[56:128].decode("utf-16-le", "replace").split("\0")[0]
    kind, own = (UUID(bytes_le=entry[at : at + 16]) for at in (0, 16))
    return Partition(name, first * _SECTOR, max(0, last - first + 1) * _SECTOR, kind, own)
