"""What the boot loader is told to take, by EFI variables of the Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE).

The initrd names the slot that is wanted for one start, and the other one for every start without such a word. The boot loader forgets
the first as it takes it and the initrd says it again, so that a boot image which never gets that far is followed by the other slot
(decision 0028). A trial is chosen by the boot loader itself, as the newest entry with tries left: it is told nothing then.

The boot loader lists its entries without their counters, so the initrd cannot tell a version that failed its trial from one that was
good: a healthy boot, which sees the files, leaves it the names of those that may be taken, in a variable of ours.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.update import uki
from omamori.firmware.update.errors import SlotProblem

GOOD: Final = "OmamoriGood-e7e777f4-ecf7-4ff9-b123-a7a80b110569"
"""Made by the initrd, which takes the kernel's guard off it; attributes, then names as the boot loader lists them, and a line feed."""
ATTRIBUTES: Final = (7).to_bytes(4, "little")
"""Kept without power, for boot services and for the running system (UEFI, GetVariable)."""
VENDOR: Final = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
"""Of the variables between boot loader and system."""
_TOLD: Final = (f"LoaderEntryOneShot-{VENDOR}", f"LoaderEntryDefault-{VENDOR}")
_CAP: Final = 1024


def variables(paths: Paths) -> Path:
    """Where efivarfs is mounted; missing on a machine without EFI."""
    return paths.root / "sys/firmware/efi/efivars"


def allow(paths: Paths, names: Iterable[str]) -> None:
    """The initrd may name those of these entries that were good once, and no other. Raises SlotProblem."""
    _write(paths, " ".join(uki.blessed(name) for name in names if uki.was_good(name)))


def leave_the_choice(paths: Paths) -> None:
    """What it was told is over, and is not said again before the next healthy boot. Raises SlotProblem."""
    _write(paths, "")
    try:
        for name in _TOLD:
            (variables(paths) / name).unlink(missing_ok=True)
    except OSError as error:
        raise SlotProblem(f"cannot leave the choice to the boot loader: {error.strerror}") from error


def _write(paths: Paths, names: str) -> None:
    """Nothing on a machine whose initrd made no such variable; nothing anew where it says so already."""
    variable, content = variables(paths) / GOOD, ATTRIBUTES + f"{names}\n".encode()
    with contextlib.suppress(OSError):
        if files.read_capped(variable, cap=_CAP) == content:
            return
    try:
        if variable.exists():
            with variable.open("wb", buffering=0) as opened:
                opened.write(content)
    except OSError as error:
        raise SlotProblem(f"cannot say which boot entries are good: {error.strerror}") from error
