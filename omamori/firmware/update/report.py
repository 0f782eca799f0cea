"""The updater's memory and its voice: the journal, `state.json` for the agent, log lines for the operator, one lock.

All files are whole or absent after a power cut. A journal that cannot be read counts as a new one: the facts of the
boot settle it.
"""

import contextlib
import errno
import fcntl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.update.errors import Busy, DiskFull, SlotProblem
from omamori.firmware.update.health import Before
from omamori.firmware.update.machine import ByHand, Journal
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.ids import BootId
from omamori.protocol.messages import Log, UpdateState
from omamori.protocol.version import Version

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the health gate found in one boot; `reason` is empty when healthy."""

    boot: BootId
    version: Version
    reason: str
    time: datetime
    guarded: datetime | None = None
    """When the bridge was first found to inspect."""


class Memory:
    """Reads and writes what the updater keeps under its directory."""

    def __init__(self, paths: Paths, now: Callable[[], datetime]) -> None:
        self._paths, self._now = paths, now
        self._journal = paths.update / "journal.json"
        self._verdict = paths.update / "verdict.json"
        self._before = paths.update / "before.json"
        self._spoken: Verdict | None = None

    def journal(self) -> Journal:
        """The journal, or a new one. A phase that only a later firmware knows is none: the rest still says what must not be tried."""
        known = _read(Journal, self._journal) or _read(Journal, self._journal, without="phase")
        return known or Journal()

    def keep(self, journal: Journal) -> None:
        """Make it survive a power cut. Raises DiskFull, SlotProblem."""
        _write(self._journal, journal)

    def verdict(self) -> Verdict | None:
        """What the last health gate said: this process's own, else the one kept."""
        return self._spoken or _read(Verdict, self._verdict)

    def keep_verdict(self, verdict: Verdict) -> None:
        """Make it survive a power cut. Raises DiskFull, SlotProblem; in this process it holds then, too."""
        self._spoken = verdict
        _write(self._verdict, verdict)

    def before(self, tried: Version) -> Before | None:
        """What was measured last before a restart into that version."""
        found = _read(Before, self._before)
        return found if found and found.version == tried else None

    def keep_before(self, before: Before) -> None:
        """Make it survive the restart. Raises DiskFull, SlotProblem."""
        _write(self._before, before)

    def show(
        self,
        update: UpdateState,
        *,
        pack: Version | None,
        slot: str,
        healthy: bool,
        fetched: int,
        by_hand: ByHand | None,
        restart: Mapping[str, object],
    ) -> None:
        """Write what the agent goes by and reports. Raises DiskFull, SlotProblem."""
        order = {"by_hand": wire.to_wire(by_hand)} if by_hand else {}
        facts = {"slot": slot, "healthy": healthy, "fetched": fetched, **order, **restart}
        value = {"update": wire.to_wire(update), "pack": wire.to_wire(pack), **facts}
        _write_atomic(self._paths.update_state, wire.dump(value), durable=False)

    def say(self, level: str, text: str) -> None:
        """To the journal of the system and to the operator. Never raises OSError."""
        print(f"{level}: {text}", file=sys.stderr)
        spool = SpoolWriter(self._paths.spool("update"))
        spool.put(Log(self._now(), "update", level, text))
        spool.close()

    @contextlib.contextmanager
    def locked(self, *, patience: float = 60.0) -> Iterator[None]:
        """One updater at a time. Raises Busy, OSError."""
        self._paths.update.mkdir(parents=True, exist_ok=True)
        with (self._paths.update / ".lock").open("w") as lock:
            deadline = time.monotonic() + patience
            while not _take(lock.fileno()):
                if time.monotonic() >= deadline:
                    raise Busy("another run of the updater has not ended")
                time.sleep(0.2)
            yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(shape: type[T], path: Path, *, without: str = "") -> T | None:
    try:
        content = wire.load(files.read_capped(path))
        return wire.from_wire(shape, {name: value for name, value in content.items() if name != without})
    except (OSError, ProtocolError):
        return None


def _write(path: Path, value: object) -> None:
    content = wire.to_wire(value)
    assert isinstance(content, Mapping)  # noqa: S101 - a dataclass always is
    _write_atomic(path, wire.dump(content), durable=True)


def _write_atomic(path: Path, content: bytes, *, durable: bool) -> None:
    try:
        files.write_atomic(path, content, durable=durable)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"no room for {path.name} on the data partition") from error
        raise SlotProblem(f"cannot write {path}: {error.strerror}") from error
