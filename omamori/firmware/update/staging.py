"""Write a proven bundle into the other slot, in the one order in which a power cut anywhere leaves a unit that starts.

1. The other slot's boot entries go: from here on nothing points at the partitions about to change.
2. Root and hash partitions are written, synced and read back; what already has its content is left alone.
3. Another boot loader goes where it is tried once, beside the one that works (bootloader.py).
4. The boot entry is copied last, with its counter of tries.
The running slot is never named. Run again, it ends in the same state.
"""

import hashlib
import tarfile
from pathlib import Path
from typing import IO, Self

from omamori.firmware.update import uki
from omamori.firmware.update.errors import BadBundle, SlotProblem, Unsuitable
from omamori.firmware.update.slots import Disk
from omamori.protocol import bundle
from omamori.protocol.bundle import BundleFile, Manifest
from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version

IMAGE_ID = "omamori"
MANIFEST_CAP = 64 * 1024
_HEAD = 64 * 1024


class Bundle:
    """A bundle on disk, opened and its manifest read; use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises BadBundle."""
        self._file = path.open("rb")
        try:
            self._archive = tarfile.open(fileobj=self._file, mode="r:")  # noqa: SIM115 - closed with the bundle
            self.manifest = bundle.decode(self._member(bundle.MANIFEST, MANIFEST_CAP).read())
            self._names = {name: self._archive.next() for name in bundle.MEMBERS}
            for file in self.manifest.files:
                self._check(file)
        except BadBundle:
            self._file.close()
            raise
        except (
            OSError,
            ValueError,
            tarfile.TarError,
            ProtocolError,
        ) as error:  # tarfile leaks ValueErrors of its own
            self._file.close()
            raise BadBundle(f"{path.name} cannot be read: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def open(self, name: str) -> IO[bytes]:
        """One of `MEMBERS`, from its start."""
        member = self._names[name]
        found = self._archive.extractfile(member) if member else None
        if found is None:
            raise BadBundle(f"{name} is missing")
        return found

    def _member(self, name: str, cap: int) -> IO[bytes]:
        member = self._archive.next()
        found = (
            self._archive.extractfile(member) if member and member.isreg() and member.name == name else None
        )
        if member is None or found is None or member.size > cap:
            raise BadBundle(f"{name} is not where it belongs")
        return found

    def _check(self, file: BundleFile) -> None:
        member = self._names[file.name]
        if member is None or not member.isreg() or member.name != file.name or member.size != file.size:
            raise BadBundle(f"{file.name} is missing or has another size")
        content = self.open(file.name)
        digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type] # reads like a binary file
        if content.tell() != file.size or digest != file.sha256:
            raise BadBundle(f"{file.name} is truncated or altered")


def check_suitable(manifest: Manifest, variant: str, version: Version) -> None:
    """Raises Unsuitable."""
    if manifest.image_id != IMAGE_ID or manifest.variant != variant:
        raise Unsuitable(f"for {manifest.image_id} {manifest.variant}, and this is {IMAGE_ID} {variant}")
    if manifest.version != version:
        raise Unsuitable(f"the bundle of {version} says it is {manifest.version}")


def stage(opened: Bundle, slot: str, disk: Disk, *, newer: bool) -> str:
    """Write everything, the boot loader only of a `newer` version; returns the name of the new boot entry. Raises UpdateError."""
    manifest = opened.manifest
    for entry in disk.entries():
        if entry.slot == slot:
            disk.remove(entry)
    for label, name in ((f"root-{slot}", bundle.ROOT), (f"hash-{slot}", bundle.VERITY)):
        _write(opened, name, label, disk)
    if newer:
        with opened.open(bundle.LOADER) as source:
            disk.bring_loader(source)
    entry_name = uki.counted(f"{manifest.image_id}-{manifest.version}", manifest.tries)
    with opened.open(f"slot-{slot}.efi") as source:
        disk.install(entry_name, source, slot, manifest.version)
    return entry_name


def put_behind(slot: str, disk: Disk) -> None:
    """Make the boot loader, which takes the newest version else, start the other slot first: the order to go back.

    Whatever comes of the older one, this slot still starts when that has no tries left. Raises SlotProblem.
    """
    for entry in disk.entries():
        if entry.slot == slot and entry.tries != 0:
            disk.rename(entry, uki.set_aside(entry.name))


def withdraw(slot: str, disk: Disk) -> None:
    """Make sure that `slot` does not start, and that the other one is again what it was. Raises SlotProblem."""
    for entry in disk.entries():
        if entry.slot == slot:
            disk.remove(entry)
        elif entry.tries == 0:
            disk.rename(entry, uki.blessed(entry.name))


def _write(opened: Bundle, name: str, label: str, disk: Disk) -> None:
    file = opened.manifest.file(name)
    if _begins_alike(opened, name, label, disk) and disk.digest(label, file.size) == file.sha256:
        return
    with opened.open(name) as source:
        disk.write(label, source, file.size)
    if disk.digest(label, file.size) != file.sha256:
        raise SlotProblem(f"partition {label} does not keep what is written to it")


def _begins_alike(opened: Bundle, name: str, label: str, disk: Disk) -> bool:
    """A cheap look first: another root has another superblock."""
    with opened.open(name) as source:
        head = source.read(_HEAD)
    return disk.digest(label, len(head)) == hashlib.sha256(head).hexdigest()
