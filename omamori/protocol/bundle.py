"""The manifest of a firmware bundle: what the image builder writes, signing checks and a unit stages by.

A bundle is an uncompressed tar with `manifest.json` first, then the files in the manifest's order. Pure: nothing here
opens a file. What the manifest says is proven only by the TUF metadata that names the whole bundle's hash.
"""

import re
from dataclasses import dataclass

from omamori.protocol import wire
from omamori.protocol.errors import Malformed
from omamori.protocol.version import Version

FORMAT = 2
MANIFEST = "manifest.json"
ROOT, VERITY, UKI_A, UKI_B, LOADER = "root.squashfs", "root.verity", "slot-a.efi", "slot-b.efi", "loader.efi"
MEMBERS = (ROOT, VERITY, UKI_A, UKI_B, LOADER)
"""The files of a bundle, in the order they are written and read."""
SIZE_CAP = 2 * 1024**3
"""Bytes of one file; far above any image, far below what fills a unit."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle; `sha256` in hex, `size` in bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle is for and what is in it."""

    format: int
    image_id: str
    variant: str
    version: Version
    tries: int
    """How often the boot loader tries the new slot before it falls back: 1 to 9."""
    files: tuple[BundleFile, ...]

    def file(self, name: str) -> BundleFile:
        """`name` is one of `MEMBERS`; a decoded manifest has each."""
        return next(file for file in self.files if file.name == name)


def decode(raw: bytes) -> Manifest:
    """Raises TooLarge, Malformed."""
    value = wire.load(raw)
    if value.get("format") != FORMAT:
        raise Malformed(f"format: {value.get('format')!r:.40} where {FORMAT} is understood")
    manifest = wire.from_wire(Manifest, value)
    _check(manifest)
    return manifest


def target_path(variant: str, version: Version) -> str:
    """Where TUF names the bundle."""
    return f"firmware/{variant}-{version}.bundle"


def pack_path(version: Version) -> str:
    """Where TUF names a signature pack."""
    return f"signatures/{version}.pack"


def _check(manifest: Manifest) -> None:
    for field, text in (("image_id", manifest.image_id), ("variant", manifest.variant)):
        if not _NAME.fullmatch(text):
            raise Malformed(f"{field}: not a name: {text[:40]!r}")
    if not 1 <= manifest.tries <= 9:
        raise Malformed(f"tries: {manifest.tries} is not between 1 and 9")
    if tuple(file.name for file in manifest.files) != MEMBERS:
        raise Malformed(f"files: expected {', '.join(MEMBERS)} in this order")
    for file in manifest.files:
        if not 0 < file.size <= SIZE_CAP:
            raise Malformed(f"files: {file.name} has {file.size} bytes")
        if not _SHA256.fullmatch(file.sha256):
            raise Malformed(f"files: {file.name} has no sha256 in hex")
