"""What the boot loader was told to take, by EFI variables of the Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE).

The initrd names the slot that is wanted for one start, and the other one for every start without such a word. The boot loader forgets
the first as it takes it and the initrd says it again, so that a boot image which never gets that far is followed by the other slot
(decision 0028). A trial is chosen by the boot loader itself, as the newest entry with tries left: it is told nothing then.
"""

from pathlib import Path
from typing import Final

from omamori.firmware.host.paths import Paths
from omamori.firmware.update.errors import SlotProblem

_VENDOR: Final = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_TOLD: Final = (f"LoaderEntryOneShot-{_VENDOR}", f"LoaderEntryDefault-{_VENDOR}")


def variables(paths: Paths) -> Path:
    """Where efivarfs is mounted; missing on a machine without EFI."""
    return paths.root / "sys/firmware/efi/efivars"


def leave_the_choice(paths: Paths) -> None:
    """What it was told is over. Raises SlotProblem."""
    try:
        for name in _TOLD:
            (variables(paths) / name).unlink(missing_ok=True)
    except OSError as error:
        raise SlotProblem(f"cannot leave the choice to the boot loader: {error.strerror}") from error
