"""Taking finished files apart: the sections of a kernel image (PE), the partitions of a disk (GPT). Pure, bounded, never trusting a length."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
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


def prove_both_tables(disk: Path, size: int) -> None:
    """Both copies of the table are whole, say the same, and the second ends with the disk of `size` bytes. Raises EvidenceError."""
    with disk.open("rb") as opened:
        first = _table(opened, _SECTOR)
        second = _table(opened, size - _SECTOR)
    if first is None or second is None or first != second:
        raise EvidenceError(f"{disk.name}: {'the second' if first else 'the'} partition table is not whole")


def _table(disk: BinaryIO, place: int) -> bytes | None:
    """The entries below the header at `place`, if the sums of both are right."""
    disk.seek(place)
    head = bytearray(disk.read(_SECTOR))
    if len(head) < _SECTOR or head[:8] != b"EFI PART":
        return None
    length, check = struct.unpack_from("<II", head, 12)
    head[16:20] = bytes(4)
    own, entries, count, size, listed = struct.unpack_from("<Q40xQIII", head, 24)
    if length > _SECTOR or zlib.crc32(head[:length]) != check or own * _SECTOR != place:
        return None
    if count > _MOST or size > 4096 or entries >= 2**54:
        return None
    disk.seek(entries * _SECTOR)
    table = disk.read(count * size)
    return table if zlib.crc32(table) == listed else None


def _partition(entry: bytes) -> Partition:
    first, last = struct.unpack_from("<QQ", entry, 32)
    name = entry[56:128].decode("utf-16-le", "replace").split("\0")[0]
    kind, own = (UUID(bytes_le=entry[at : at + 16]) for at in (0, 16))
    return Partition(name, first * _SECTOR, max(0, last - first + 1) * _SECTOR, kind, own)
