"""The update bundle: an uncompressed tar with a manifest first, the same bytes for the same input.

`docs/internals.md` has the layout; the unit's `update` process reads it. Signing is TUF's, over the whole file.
"""

import io
import json
import tarfile
from pathlib import Path

from omamori.image.layers import Release
from omamori.image.stages import Stage, hash_of
from omamori.protocol import wire
from omamori.protocol.bundle import FORMAT, MANIFEST, MEMBERS, ROOT, VERITY, BundleFile, Manifest


def bundle_stage(root: Path, slots: Path, release: Release) -> Stage:
    """`<variant>-<version>.bundle`."""
    inputs = {
        "root": root.name,
        "slots": slots.name,
        "tries": release.recipe.tries,
        "version": str(release.version),
    }
    files = {name: (root if name in {ROOT, VERITY} else slots) / name for name in MEMBERS}
    return Stage(
        "bundle", {**inputs, "format": FORMAT}, lambda place: write(place / name_of(release), files, release)
    )


def name_of(release: Release) -> str:
    """The bundle's file name."""
    return f"{release.recipe.variant}-{release.version}.bundle"


def write(target: Path, files: dict[str, Path], release: Release) -> None:
    """Write the tar: manifest first, then the files in the order given."""
    text = json.dumps(wire.to_wire(manifest(files, release)), indent=1).encode() + b"\n"
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(_entry(MANIFEST, len(text), release), io.BytesIO(text))
        for name, path in files.items():
            with path.open("rb") as opened:
                tar.addfile(_entry(name, path.stat().st_size, release), opened)


def manifest(files: dict[str, Path], release: Release) -> Manifest:
    """What a unit checks each file against."""
    return Manifest(
        format=FORMAT,
        image_id="omamori",
        variant=release.recipe.variant,
        version=release.version,
        tries=release.recipe.tries,
        files=tuple(BundleFile(name, path.stat().st_size, hash_of(path)) for name, path in files.items()),
    )


def _entry(name: str, size: int, release: Release) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mtime = release.recipe.epoch
    entry.mode = 0o644
    return entry
