"""How often in a row each slot was started without becoming healthy: an EFI variable that the initrd writes (decision 0028).

The initrd counts every start of a committed slot before it opens the root (`count-starts` in the image's templates), and takes
the other slot once where `LIMIT` of them came to nothing. A healthy boot forgets the count here. What the boot loader is told
meanwhile is `loader`'s. A machine without such variables is never counted. What the variable says is believed as little as any other bytes.
"""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.update import loader
from omamori.firmware.update.errors import SlotProblem
from omamori.firmware.update.machine import PassedOver, other
from omamori.firmware.update.slots import Entry

LIMIT: Final = 3
"""As in the initrd's script."""
VARIABLE: Final = "OmamoriStarts-e7e777f4-ecf7-4ff9-b123-a7a80b110569"
_COUNTS: Final = re.compile(rb"a([0-9])b([0-9])")
_CAP: Final = 64


@dataclass(frozen=True, slots=True)
class Starts:
    """Starts in a row that came to nothing, nine at most, the present one included."""

    a: int = 0
    b: int = 0

    def of(self, slot: str) -> int:
        """None of a slot that is none."""
        return {"a": self.a, "b": self.b}.get(slot, 0)


def decode(variable: bytes) -> Starts:
    """As efivarfs gives it: attributes, then the counts. No counts where it holds anything else."""
    found = _COUNTS.fullmatch(variable[len(loader.ATTRIBUTES) :])
    return Starts(int(found[1]), int(found[2])) if found else Starts()


def encode(starts: Starts) -> bytes:
    """What efivarfs takes, in one write."""
    return loader.ATTRIBUTES + f"a{starts.a}b{starts.b}".encode()


def read(paths: Paths) -> Starts:
    """No counts where there is no such variable."""
    with contextlib.suppress(OSError):
        return decode(files.read_capped(_variable(paths), cap=_CAP))
    return Starts()


def forget(paths: Paths) -> None:
    """The running slot is healthy: neither slot has failed since. Raises SlotProblem."""
    if read(paths) == Starts():
        return
    try:
        with _variable(paths).open("r+b", buffering=0) as variable:
            variable.write(encode(Starts()))
    except OSError as error:
        raise SlotProblem(f"cannot forget how often the slots were started: {error.strerror}") from error


def passed_over(paths: Paths, running: str, entries: Iterable[Entry]) -> PassedOver | None:
    """The other slot's version, where the initrd gave it up and the running slot was started in its place.

    Its entry carries no tries: it was committed. One that does is waiting for its trial, whatever was before.
    """
    times = read(paths).of(other(running)) if running else 0
    for entry in entries if times >= LIMIT else ():
        if entry.slot != running and not entry.tries:
            why = f"slot: {entry.version} in slot {entry.slot} was started {times} times in a row and never became healthy"
            return PassedOver(entry.version, why)
    return None


def _variable(paths: Paths) -> Path:
    return loader.variables(paths) / VARIABLE
