"""What the update process touches outside itself, and how long it waits for others: values that are passed in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from omamori.firmware.host.paths import Paths
from omamori.firmware.update.slots import Disk

if TYPE_CHECKING:
    from omamori.firmware.update.trust import Trust


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for others."""

    gate: float = 120.0
    """For a trial boot to become healthy."""
    look: float = 60.0
    """For an ordinary boot to be called healthy."""
    pack: float = 30.0
    """For the bridge to load a pack."""
    run: float = 150.0
    """For a run of the updater that is under way."""


@dataclass(frozen=True, slots=True)
class World:
    """What is outside: all of it can be a fake."""

    paths: Paths
    disk: Disk
    trust: "Callable[[], Trust]"
    """Opened only when something is to be fetched. Raises UpdateError."""
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    agreed: Callable[[datetime | None], datetime | None]
    """What the time servers agree on, not before the time given; None where they do not (clock.py)."""
    set_clock: Callable[[datetime], None]
    """Raises OSError."""
    reboot: Callable[[], None]
    """Raises OSError."""
    soft_reboot: Callable[[], None]
    """Into the root that soft.py has named, in the kernel that runs. Raises OSError where that is not to be had."""
    patience: Patience = Patience()
