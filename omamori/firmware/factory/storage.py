"""The data partition: there, large enough, sound by its own account, and giving back what was written."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from omamori.firmware.factory.report import Line, judged, skipped
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths

LEAST: Final = 2**30
"""Bytes; the smallest disk that an image fits on leaves twice as much."""
SCRATCH: Final = 16 * 2**20
_PIECE: Final = 2**20
_DISK: Final = re.compile(r"[1-9][0-9]{0,5}:[0-9]{1,8}")
"""Major number 0 is memory."""
_WORN: Final = 8
"""Tenths of its life that an eMMC has used (JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST); 11 is beyond all."""


def check(paths: Paths) -> Iterator[Line]:
    """Nothing of it stays."""
    number = _mounted(paths)
    if not number:
        detail = f"no data partition is mounted at {paths.state}: what is written there is lost"
        yield judged("storage", detail, good=False)
        return
    place = (paths.root / "sys/dev/block" / number).resolve()
    yield _size(paths, place)
    yield from _health(paths, place)
    yield _written_and_read(paths.state / f".factory-test.{os.getpid()}")


def _mounted(paths: Paths) -> str:
    """The device number of what is mounted for data (proc_pid_mountinfo(5)), or nothing."""
    with contextlib.suppress(OSError):
        text = files.read_capped(paths.root / "proc/self/mountinfo").decode("utf-8", "replace")
        for line in text.splitlines():
            fields = line.split()
            if len(fields) > 4 and fields[4] == "/var/lib/omamori" and _DISK.fullmatch(fields[2]):
                return fields[2]
    return ""


def _size(paths: Paths, place: Path) -> Line:
    try:
        found = os.statvfs(paths.state)
    except OSError as error:
        return judged("storage size", error.strerror or str(error), good=False)
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    detail = f"{size / 1e9:.1f} GB on {place.name}, {free / 1e9:.1f} GB free"
    return judged("storage size", detail, good=size >= LEAST and free >= 2 * SCRATCH)


def _health(paths: Paths, place: Path) -> Iterator[Line]:
    """What the file system has counted, and what the disk says about its wear."""
    errors = _text(paths.root / "sys/fs/ext4" / place.name / "errors_count")
    if errors:
        yield judged("file system", f"{errors} errors since it was made", good=errors == "0")
    else:
        yield skipped("file system", "its kind counts no errors")
    disk = place.parent if (place / "partition").exists() else place
    life = [_hex(word) for word in _text(disk / "device/life_time").split()]
    ending = _hex(_text(disk / "device/pre_eol_info"))
    if not life:
        yield skipped("storage wear", f"{disk.name} tells nothing about it")
        return
    used = max(life)
    said = {2: ", warns of its end", 3: ", is at its end"}.get(ending, "")
    yield judged("storage wear", f"{used} tenths of its life used{said}", good=used < _WORN and not said)


def _written_and_read(scratch: Path) -> Line:
    try:
        try:
            written = _write(scratch)
            read = _read(scratch)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        return judged("storage write and read", error.strerror or str(error), good=False)
    detail = f"{SCRATCH >> 20} MiB" + ("" if read == written else " came back changed")
    return judged("storage write and read", detail, good=read == written)


def _write(scratch: Path) -> bytes:
    hashed = hashlib.sha256()
    with scratch.open("xb") as file:
        for _ in range(SCRATCH // _PIECE):
            piece = os.urandom(_PIECE)
            hashed.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return hashed.digest()


def _read(scratch: Path) -> bytes:
    """From the disk: the kernel is asked to forget what it has of the file."""
    hashed = hashlib.sha256()
    with scratch.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := file.read(_PIECE):
            hashed.update(piece)
    return hashed.digest()


def _text(path: Path) -> str:
    try:
        return files.read_capped(path, cap=4096).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _hex(word: str) -> int:
    try:
        return int(word, 16)
    except ValueError:
        return 0
