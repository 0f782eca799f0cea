"""Whether what a release promises its customers holds: no restart is needed where it brings the kernel, initrd and options that run already.

Compared with the newest older version of the same variant, which most units run. A unit that finds it otherwise restarts
all the same (decision 0031): nothing breaks by a wrong promise but the customer's trust.
"""

import tarfile
from datetime import datetime
from pathlib import Path

from omamori.protocol import bundle
from omamori.protocol.boot_image import Kernel, differing, kernel
from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version
from omamori.signing import contents
from omamori.signing.errors import TargetError
from omamori.signing.notes import Notes
from omamori.signing.repository import Repository


def check_promise(repository: Repository, file: Path, notes: Notes, now: datetime) -> None:
    """Raises TargetError where a restart is said not to be needed and units would restart."""
    if notes.restart.needed:
        return
    manifest = contents.check_bundle(file)
    found = _before(repository, manifest, now)
    if found is None:
        return
    version, before = found
    if other := differing(_kernel(before), _kernel(file)):
        raise TargetError(
            f"restart.needed is false, but {other} differs from {version}'s: units restart for it."
            " Say so in the notes, and for how many seconds traffic stops"
        )


def _before(repository: Repository, manifest: bundle.Manifest, now: datetime) -> tuple[Version, Path] | None:
    """The newest version older than this one, and its bundle."""
    targets = repository.draft(now).roles["firmware"].signed.targets
    named = {Version.parse(str((target.custom or {}).get("version", ""))) for target in targets.values()}
    older = [
        version
        for version in named
        if version < manifest.version and bundle.target_path(manifest.variant, version) in targets
    ]
    if not older:
        return None
    target = targets[bundle.target_path(manifest.variant, max(older))]
    return max(older), repository.targets / target.get_prefixed_paths()[0]


def _kernel(path: Path) -> Kernel:
    """Of a bundle's first slot; the second one's differs in the slot alone. Raises TargetError."""
    try:
        with tarfile.open(path, mode="r:") as archive:
            member = archive.extractfile(bundle.UKI_A)
            if member is None:
                raise TargetError(f"{path} has no boot image")
            return kernel(member)[0]
    except (OSError, tarfile.TarError, KeyError, ProtocolError) as error:
        raise TargetError(f"whether {path.name} needs a restart cannot be seen: {error}") from error
