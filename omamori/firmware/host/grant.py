"""What lets a helper in: left by who judged the support key (update/support.py), obeyed by who opens (firmware/support).

One file below /run, so that a restart forgets it. It holds for the boot it names, until its deadline on the clock that
nobody sets (CLOCK_BOOTTIME), and only while it is confirmed again and again. Nothing here judges a signature.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.protocol import support, wire
from omamori.protocol.ids import BootId, UnitId

FILE_CAP: Final = 64 * 1024
CONFIRMED_FOR: Final = 2400.0
"""Seconds without a new look at the signed metadata: a withdrawn key must not be kept alive by silence."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One support key, proven, and where its holder waits. Raises Malformed for what no support key may say."""

    call: str
    unit: UnitId
    boot: BootId
    key: str
    since: datetime
    until: datetime
    who: str
    why: str
    host_key: str = field(repr=False)
    """Private, made for this opening alone, as OpenSSH writes it."""
    host: str
    port: int
    ticket: str = field(repr=False)
    ca: str = field(repr=False)
    """PEM: whom to believe at the relay."""
    deadline: float
    """Seconds since boot."""
    confirmed: float
    proxy_host: str = ""
    """The way there; empty for the direct one."""
    proxy_port: int = 0

    def __post_init__(self) -> None:
        self.document()

    def document(self) -> support.SupportKey:
        """The support key it came from."""
        return support.SupportKey(self.unit, self.key, self.since, self.until, self.who, self.why)


def since_boot() -> float:
    """Seconds, those asleep too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read(path: Path) -> Grant:
    """Raises OSError, WireError."""
    return wire.from_wire(Grant, wire.load(files.read_capped(path, cap=FILE_CAP)))


def write(path: Path, grant: Grant) -> None:
    """Raises OSError, TooLarge."""
    value = wire.to_wire(grant)
    assert isinstance(value, dict)  # noqa: S101 - a dataclass always is
    files.write_atomic(path, wire.dump(value), mode=0o640)


def over(grant: Grant, boot: BootId, now: float) -> str:
    """Why it opens nothing any more, in a word; empty while it holds. `now` is `since_boot`."""
    if grant.boot != boot:
        return "restart"
    if now >= grant.deadline:
        return "its time is over"
    if now - grant.confirmed >= CONFIRMED_FOR:
        return "not confirmed for 40 minutes"
    return ""
