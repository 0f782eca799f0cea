"""What the people in front of the unit may know while a helper may look at it: the public part of a grant (host/grant.py).

Written and removed with the grant, by the same process, where the unit's page can read it; neither key nor ticket is in it.
It lies below /run, so that a restart forgets it, and is over by itself on the clock that nobody sets (CLOCK_BOOTTIME).
"""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError

FILE_CAP: Final = 4096


@dataclass(frozen=True, slots=True)
class Notice:
    """Who may look, what for, and how long at most."""

    who: str
    why: str
    until: datetime
    ends: float
    """Seconds since boot; later each time the key is confirmed."""


def write(path: Path, notice: Notice) -> None:
    """Raises OSError, TooLarge."""
    value = wire.to_wire(notice)
    assert isinstance(value, dict)  # noqa: S101 - a dataclass always is
    files.write_atomic(path, wire.dump(value), mode=0o640)


def read(path: Path) -> Notice | None:
    """None where nobody may look (any more), or what stands there is no notice. Never raises."""
    try:
        found = wire.from_wire(Notice, wire.load(files.read_capped(path, cap=FILE_CAP)))
    except (OSError, ProtocolError):
        return None
    return found if time.clock_gettime(time.CLOCK_BOOTTIME) < found.ends else None
