"""A trial without restarting the machine: where it can be had, what is remembered for it, and how the old root is left (decision 0031).

It can be had where the signed metadata of a newer version say that no restart is needed, and where its boot image brings the kernel,
the initrd and the options that run already. What it needs is kept in memory alone, written by the updater that has just verified
the bundle: a start of the machine forgets it, and nothing that a disk says afterwards is believed. Whatever is missing
or fails, the machine is restarted as for every other version.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.update.errors import SlotProblem
from omamori.firmware.update.health import Before
from omamori.firmware.update.slots import Disk, Entry
from omamori.firmware.update.staging import Bundle
from omamori.protocol import boot_image, wire
from omamori.protocol.errors import BootImageError, ProtocolError
from omamori.protocol.version import Version

T = TypeVar("T")

SOFT: Final = "soft"
"""The trial took over from the version before while the kernel went on forwarding."""
HARD: Final = "hard"
"""The trial was a start of the machine."""
LONGEST: Final = 3600.0
"""Seconds; a longer time between order and trial is that of a clock that was set."""


@dataclass(frozen=True, slots=True)
class Next:
    """A staged version that can be tried softly, by what its verified bundle says."""

    version: Version
    slot: str
    root_hash: str


@dataclass(frozen=True, slots=True)
class Trial:
    """The soft trial that was ordered in this run of the kernel."""

    version: Version


def remember(
    paths: Paths,
    disk: Disk,
    running: Entry | None,
    opened: Bundle,
    slot: str,
    custom: Mapping[str, object] | None,
) -> str:
    """Keep what a soft trial of the bundle just staged needs; why there will be none, empty where there will. Raises OSError."""
    forget(paths)
    if not needs_no_restart(custom):
        return "its release says that a restart is needed"
    try:
        with opened.open(f"slot-{slot}.efi") as source:
            kernel, root_hash = boot_image.kernel(source)
        if running is None:
            return "the boot image of the running version is missing"
        with disk.image(running) as source:
            present, _ = boot_image.kernel(source)
    except (SlotProblem, BootImageError) as error:
        return str(error)
    if other := boot_image.differing(present, kernel):
        return f"{other} differs from the one that runs"
    staged = {"version": str(opened.manifest.version), "slot": slot, "root_hash": root_hash}
    files.write_atomic(_next(paths), wire.dump(staged))
    return ""


def needs_no_restart(custom: Mapping[str, object] | None) -> bool:
    """Whether the release engineers signed that nobody's traffic need stop for it."""
    release = (custom or {}).get("release")
    restart = release.get("restart") if isinstance(release, Mapping) else None
    return isinstance(restart, Mapping) and restart.get("needed") is False


def forget(paths: Paths) -> None:
    """Whatever is staged from now on is something else. Raises OSError."""
    _next(paths).unlink(missing_ok=True)


def staged(paths: Paths, version: Version | None) -> Next | None:
    """What was remembered of it in this run of the kernel."""
    found = _read(Next, _next(paths))
    return found if found and found.version == version else None


def begin(paths: Paths, following: Next) -> None:
    """Record that this version is tried softly, and tell the image's `next-root` what to open. Raises OSError."""
    files.write_atomic(_trial(paths), wire.dump({"version": str(following.version)}))
    files.write_atomic(paths.run / "soft/next", f"{following.slot} {following.root_hash}\n".encode())


def tried(paths: Paths) -> Version | None:
    """The version whose soft trial was ordered last in this run of the kernel."""
    found = _read(Trial, _trial(paths))
    return found.version if found else None


def leaving(paths: Paths) -> bool:
    """Whether the next root was prepared and has not been reached yet (`next-root` and `arrived` in the image)."""
    return (paths.run / "soft/left").exists()


def end(paths: Paths) -> None:
    """Nothing is tried softly any more. Raises OSError."""
    _trial(paths).unlink(missing_ok=True)


def unguarded(before: Before | None, guarded: datetime | None) -> float | None:
    """Seconds from the order until somebody inspected again; None where either is not known."""
    if before is None or guarded is None or not before.ordered:
        return None
    seconds = (guarded - before.time).total_seconds()
    return seconds if 0 <= seconds <= LONGEST else None


def shown(how: str, seconds: float | None) -> dict[str, object]:
    """For `state.json`: nothing where no update was tried here."""
    return {"restart": {"how": how, "unguarded": seconds}} if how else {}


def in_words(how: str, seconds: float | None) -> str:
    """For the operator's log."""
    if how == SOFT:
        much = "" if seconds is None else f"; it passed uninspected for {seconds:.0f} s at most"
        return f"without a restart of the machine, traffic went on{much}"
    return "by a restart" + ("" if seconds is None else f"; guarded again {seconds:.0f} s after the order")


def _read(shape: type[T], path: Path) -> T | None:
    with contextlib.suppress(OSError, ProtocolError):
        return wire.from_wire(shape, wire.load(files.read_capped(path)))
    return None


def _next(paths: Paths) -> Path:
    return paths.run / "soft/staged.json"


def _trial(paths: Paths) -> Path:
    return paths.run / "soft/trial.json"
