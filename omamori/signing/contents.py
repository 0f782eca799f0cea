"""What is inside a file before it is signed: a bundle is checked to the last byte, of a pack only the version is read.

Every read is bounded by what the format allows, whatever the file claims.
"""

import hashlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from omamori.protocol import bundle, wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version
from omamori.signing.errors import TargetError

MANIFEST_CAP = 64 * 1024
PACK_MANIFEST_CAP = 1024 * 1024
"""Bytes; a pack's manifest names each of its members."""
_BAD_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError
)  # fmt: skip
"""What `zipfile` raises for damaged, encrypted (RuntimeError) and unknown forms."""


def check_bundle(path: Path) -> bundle.Manifest:
    """The manifest of a bundle whose every file has the size and hash it says. Raises TargetError."""
    try:
        with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
            manifest = bundle.decode(_member(archive, bundle.MANIFEST, MANIFEST_CAP).read())
            for file in manifest.files:
                _check_member(archive, file)
            if archive.next() is not None:
                raise TargetError(f"{path}: more files than the manifest names: build the bundle again")
    except (OSError, tarfile.TarError, ProtocolError) as error:
        raise TargetError(f"{path} is no firmware bundle ({error}): build it again") from error
    return manifest


def pack_version(path: Path) -> Version:
    """The version in the pack's `manifest.json`. Raises TargetError."""
    try:
        text = wire.load(_pack_manifest(path), cap=PACK_MANIFEST_CAP).get("version")
        if not isinstance(text, str):
            raise TargetError(f"{path}: manifest.json has no version: give --version")
        return Version.parse(text)
    except (OSError, tarfile.TarError, ProtocolError, *_BAD_ZIP) as error:
        raise TargetError(
            f"{path} is no signature pack ({error}): build it again, or give --version"
        ) from error


def _pack_manifest(path: Path) -> bytes:
    if zipfile.is_zipfile(path):
        return _zip_manifest(path)
    with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
        return _member(archive, bundle.MANIFEST, PACK_MANIFEST_CAP).read()


def _zip_manifest(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        if bundle.MANIFEST not in archive.namelist():
            raise TargetError(f"{path}: no manifest.json in it: build it again, or give --version")
        with archive.open(bundle.MANIFEST) as file:
            return file.read(PACK_MANIFEST_CAP + 1)


def _member(archive: tarfile.TarFile, name: str, cap: int) -> IO[bytes]:
    """The next member, which must be the file `name`. Raises TargetError."""
    member = archive.next()
    found = archive.extractfile(member) if member and member.isreg() and member.name == name else None
    if member is None or found is None:
        raise TargetError(
            f"expected {name} and found {member.name[:40]!r}" if member else f"{name} is missing"
        )
    if member.size > cap:
        raise TargetError(f"{name} has {member.size:,} bytes where at most {cap:,} are allowed")
    return found


def _check_member(archive: tarfile.TarFile, file: bundle.BundleFile) -> None:
    content = _member(archive, file.name, file.size)
    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type] # reads like a binary file
    if content.tell() != file.size or digest != file.sha256:
        raise TargetError(f"{file.name} is not what the manifest says: build the bundle again")
