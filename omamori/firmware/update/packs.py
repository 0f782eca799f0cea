"""Signature packs in force: a link that moves at once, and back when the bridge does not take the pack.

`current.pack` always names a complete, verified file or does not exist (then the factory's pack is in force). The bridge
says in its status which version it has loaded; that answer, and nothing else, makes a pack applied.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.update.errors import PackWithdrawn
from omamori.firmware.update.gate import FRESH, BridgeSeen
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Want
from omamori.protocol.version import Version


def current(paths: Paths) -> Version | None:
    """The version the link names; None for the factory's."""
    try:
        return Version.parse(paths.current_pack.readlink().name.removesuffix(".pack"))
    except (OSError, ProtocolError):
        return None


def at_hand(paths: Paths) -> list[Path]:
    """What a newer pack may be put together from: the one in force and the factory's, as far as they are there."""
    return [path for path in (paths.current_pack, paths.factory_pack) if path.exists()]


def put(paths: Paths, version: Version, verified: Path) -> None:
    """Move a verified download in and link it. Raises OSError.

    A copy, because the sandbox mounts the two directories apart and a rename does not cross mounts.
    """
    paths.packs.mkdir(parents=True, exist_ok=True)
    temporary = files.temporary_name(paths.pack(version))
    try:
        shutil.copyfile(verified, temporary)
        temporary.chmod(0o640)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(paths.pack(version))
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    verified.unlink()
    link(paths, version)


def link(paths: Paths, version: Version | None) -> None:
    """Put a pack that is there in force; None goes back to the factory's. Raises OSError."""
    if version is None:
        paths.current_pack.unlink(missing_ok=True)
    else:
        temporary = files.temporary_name(paths.current_pack)
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(f"{version}.pack")
        temporary.replace(paths.current_pack)
    files.sync_directory(paths.packs)


def prune(paths: Paths, keep: set[Version]) -> None:
    """Remove packs not in `keep`, and leftovers."""
    names = {paths.pack(version).name for version in keep} | {paths.current_pack.name}
    with contextlib.suppress(FileNotFoundError):
        for path in paths.packs.iterdir():
            if path.name not in names:
                path.unlink(missing_ok=True)


def taken(
    version: Version,
    look: Callable[[], BridgeSeen | None],
    sleep: Callable[[float], None],
    *,
    patience: float,
) -> bool | None:
    """Whether the bridge loads the pack within `patience` seconds; None while no bridge speaks at all.

    A bridge that says why it does not is believed at once.
    """
    heard = False
    for _ in range(max(1, int(patience))):
        seen = look()
        if seen is not None and seen.age <= FRESH:
            heard = True
            if seen.pack == version:
                return True
            if str(version) in seen.refused:
                return False
        sleep(1.0)
    return False if heard else None


def refusal(version: Version, seen: BridgeSeen | None) -> str:
    """Why the bridge did not take the pack, in its words, in brackets; empty where it does not say."""
    why = seen.refused.get(str(version), "") if seen else ""
    return f" ({why})" if why else ""


def require_offered(version: Version, custom: Mapping[str, object] | None) -> None:
    """Raises PackWithdrawn where the signed metadata of a pack say that nobody is to use it, whoever wants it."""
    if (custom or {}).get("channel") == "withdrawn":
        raise PackWithdrawn(f"{version} was withdrawn: {str((custom or {}).get('reason', ''))[:200]}")


def ordered(order: Path, read: Callable[[], Want | None], before: Want) -> Callable[[], bool]:
    """Tells whether another pack is wanted than `before`; cheap to ask while the file `order` is untouched."""
    stamp, newest = -1, read()

    def asked() -> bool:
        nonlocal stamp, newest
        if (now := _stamp(order)) != stamp:
            stamp, newest = now, read()
        return newest is not None and newest.pack not in {None, before.pack}

    return asked


def _stamp(path: Path) -> int:
    """When it was written; 0 while nothing was ever wanted."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
