"""The other slot's partitions and its boot entry, behind one small interface.

A `Disk` knows which slot runs and refuses to touch it. Partitions are found by label, entries on the boot partition by
what they contain. Writes are synced and read back from the medium. On a machine without partitions (tests) the labels
may be ordinary files of the partitions' size.
"""

import contextlib
import errno
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.update import bootloader, loader, uki
from omamori.firmware.update.errors import BadBundle, DiskFull, SlotProblem, UpdateError
from omamori.protocol.version import Version

CHUNK = 1024 * 1024
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Entry:
    """One boot entry of ours."""

    name: str
    slot: str
    version: Version

    @property
    def tries(self) -> int | None:
        """Boots left; None once blessed."""
        return uki.tries_left(self.name)


class Disk(Protocol):
    """What staging needs of the disk."""

    def entries(self) -> list[Entry]:
        """Boot entries that can be read. Raises SlotProblem where the boot partition is missing."""

    def remove(self, entry: Entry) -> None:
        """Forget an entry of the other slot."""

    def rename(self, entry: Entry, name: str) -> None:
        """Rename an entry of any slot."""

    def digest(self, label: str, size: int) -> str:
        """SHA-256 of the first `size` bytes of a partition, read from the medium."""

    def write(self, label: str, source: IO[bytes], size: int) -> None:
        """Write `size` bytes to the start of a partition of the other slot, and sync them."""

    def image(self, entry: Entry) -> IO[bytes]:
        """Its boot image, opened. Raises SlotProblem."""

    def at_hand(self) -> list[Path]:
        """Files and partitions of the running slot: what a download may find in them need not be fetched."""

    def install(self, name: str, source: IO[bytes], slot: str, version: Version) -> None:
        """Add a boot entry, complete or not at all."""

    def bring_loader(self, source: IO[bytes]) -> None:
        """The boot loader of a newer version. Raises UpdateError."""

    def read_through(self) -> None:
        """Every byte of the root that runs, by its seal: the kernel panics where some are not what was sealed. Raises SlotProblem."""


class SlotDisk:
    """The unit's disk. `running` is the slot that is never written."""

    def __init__(self, paths: Paths, running: str) -> None:
        self._paths = paths
        self._labels = paths.root / "dev/disk/by-partlabel"
        self._esp = paths.root / "efi"
        self._linux = self._esp / "EFI/Linux"
        self._sys = paths.root / "sys/class/block"
        self._running = running

    def entries(self) -> list[Entry]:
        self._require_esp()
        found = []
        for path in sorted(self._linux.glob("*.efi")):
            with contextlib.suppress(SlotProblem):
                image = uki.read(path)
                found.append(Entry(path.name, image.slot, image.version))
        return found

    def remove(self, entry: Entry) -> None:
        self._require_other(entry.slot)
        try:
            (self._linux / entry.name).unlink(missing_ok=True)
            files.sync_directory(self._linux)
        except OSError as error:
            raise SlotProblem(f"cannot remove the boot entry {entry.name}: {error.strerror}") from error

    def rename(self, entry: Entry, name: str) -> None:
        try:
            (self._linux / entry.name).rename(self._linux / name)
            files.sync_directory(self._linux)
        except OSError as error:
            raise SlotProblem(f"cannot rename the boot entry {entry.name}: {error.strerror}") from error

    def digest(self, label: str, size: int) -> str:
        digest = hashlib.sha256()
        try:
            with self._open(label, os.O_RDONLY) as device:
                os.posix_fadvise(device.fileno(), 0, size, os.POSIX_FADV_DONTNEED)
                left = size
                while left and (chunk := device.read(min(CHUNK, left))):
                    digest.update(chunk)
                    left -= len(chunk)
        except OSError as error:
            raise SlotProblem(f"cannot read partition {label}: {error.strerror}") from error
        return digest.hexdigest() if not left else ""

    def write(self, label: str, source: IO[bytes], size: int) -> None:
        self._require_other(label[-1])
        self._require_closed(label)
        try:
            with self._open(label, os.O_RDWR) as device:
                if (room := device.seek(0, os.SEEK_END)) < size:
                    raise BadBundle(f"{size:,} bytes do not fit partition {label} of {room:,}")
                device.seek(0)
                shutil.copyfileobj(source, device, CHUNK)
                device.flush()
                os.fsync(device.fileno())
        except OSError as error:
            raise SlotProblem(f"cannot write partition {label}: {error.strerror}") from error

    def image(self, entry: Entry) -> IO[bytes]:
        try:
            return (self._linux / entry.name).open("rb")
        except OSError as error:
            raise SlotProblem(f"cannot read the boot entry {entry.name}: {error.strerror}") from error

    def at_hand(self) -> list[Path]:
        entries = [self._linux / entry.name for entry in self.entries() if entry.slot == self._running]
        return [*(self._labels / f"{kind}-{self._running}" for kind in ("root", "hash")), *entries]

    def install(self, name: str, source: IO[bytes], slot: str, version: Version) -> None:
        self._require_other(slot)
        self._require_esp()
        partial = self._linux / f"{name}{_PARTIAL}"
        try:
            self._forget_partials()
            if _copy(source, partial) != _digest(partial):
                raise SlotProblem("the boot partition does not keep what is written to it")
            if uki.read(partial) != uki.Uki(slot, version):
                raise BadBundle(f"the boot image does not start {version} from slot {slot}")
            loader.leave_the_choice(self._paths)
            partial.replace(self._linux / name)
            files.sync_directory(self._linux)
        except OSError as error:
            self._drop(partial)
            raise _esp_error(error) from error
        except UpdateError:
            self._drop(partial)
            raise

    def bring_loader(self, source: IO[bytes]) -> None:
        bootloader.bring(self._paths, source)

    def read_through(self) -> None:
        number = self._paths.root.stat().st_dev
        block = self._paths.root / f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
        if not (block / "dm").is_dir():  # nothing is sealed
            return
        try:
            with (self._paths.root / "dev" / block.resolve().name).open("rb", buffering=0) as device:
                at = 0
                while piece := device.read(CHUNK):
                    os.posix_fadvise(device.fileno(), at, len(piece), os.POSIX_FADV_DONTNEED)
                    at += len(piece)
        except OSError as error:
            raise SlotProblem(f"the root cannot be read: {error.strerror}") from error

    def _open(self, label: str, flags: int) -> IO[bytes]:
        return os.fdopen(
            os.open(self._labels / label, flags | os.O_CLOEXEC), "rb" if flags == os.O_RDONLY else "r+b"
        )

    def _require_other(self, slot: str) -> None:
        if slot not in {"a", "b"} or slot == self._running or not self._running:
            raise SlotProblem(f"slot {slot!r} runs, or it is not known which slot does: not written")

    def _require_closed(self, label: str) -> None:
        """A root that a soft reboot left and could not close is still read through its hashes: other bytes there would panic the kernel."""
        device = (self._labels / label).resolve().name
        holders = self._sys / device / "holders"
        if holders.is_dir() and any(holders.iterdir()):
            raise SlotProblem(f"partition {label} is still held open: not written before the next start")

    def _require_esp(self) -> None:
        if not (self._esp / "EFI").is_dir():
            raise SlotProblem(f"the boot partition is not mounted at {self._esp}")
        self._linux.mkdir(exist_ok=True)

    def _forget_partials(self) -> None:
        for path in self._linux.glob(f"*{_PARTIAL}"):
            path.unlink()

    def _drop(self, partial: Path) -> None:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _copy(source: IO[bytes], path: Path) -> str:
    """Returns the SHA-256 of what was written and synced."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    """Read back from the medium, as far as the kernel lets go of its copy."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _esp_error(error: OSError) -> UpdateError:
    if error.errno == errno.ENOSPC:
        return DiskFull("no room on the boot partition for another boot image")
    return SlotProblem(f"cannot write the boot partition: {error.strerror}")
