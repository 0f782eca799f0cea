"""The process: names from its child, ends of flows and counters from the kernel, sums into the spool.

Every round does what is due and never waits for anything but its descriptors. A kernel that has no log group or no
connection table is told once and tried again: usage is missing then, and nothing else.
"""

import json
import logging
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from omamori.firmware.engine.usage import Tally
from omamori.firmware.host import copies, files, system
from omamori.firmware.host.conntrack import Connections, ConntrackError, Tuple
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.usage import policy
from omamori.firmware.usage.accounts import Accounts
from omamori.firmware.usage.naming import Load, Task
from omamori.firmware.usage.nursing import Nurse
from omamori.firmware.usage.records import Learned
from omamori.protocol.ids import DetectionId
from omamori.protocol.messages import Detection, Endpoint, Log
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity

_KNOWN_MASK, _BLOCKED = 0xFF, 3
_NUMBERS: Final = 9_000_000_000
"""Detections of this process are numbered from here; the bridge's workers stay far below."""
_TOLD_EVERY: Final = 60.0
"""Seconds between two detections of one host and application."""
_TOLD: Final = 5_000

_LOG = logging.getLogger("omamori.usage")


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where it listens."""

    bridge: str
    outside_port: int
    group: int


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds."""

    period: int = 3600
    survey: float = 60.0
    """Between two readings of the whole connection table."""
    status: float = 1.0
    retry: float = 30.0


class Process:
    """One run. `run` returns when `stopping` says so."""

    def __init__(
        self, paths: Paths, wiring: Wiring, spool: SpoolWriter, load: Load, *, rhythm: Rhythm | None = None
    ) -> None:
        self._paths, self._wiring, self._spool = paths, wiring, spool
        self._rhythm = rhythm or Rhythm()
        self._accounts = Accounts(Tally())
        self._policy = policy.PolicyFile(paths)
        self._nurse = Nurse(load, self._say)
        self._connections: Connections | None = None
        self._told: dict[tuple[bytes, str], float] = {}
        self._epoch = int(time.time())
        self._number = _NUMBERS
        self._stopped = 0
        self._next_try = self._next_survey = self._next_status = 0.0
        self._trouble = ""
        self._start = self._period_of(time.time())

    def run(self, stopping: Callable[[], bool]) -> None:
        system.notify("READY=1")
        while not stopping():
            self._open()
            self._wait()
            for record in self._nurse.turn(self._task()):
                self._learn(record)
            self._hear()
            self._due()
        self._end()

    # --- in -------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Rules and table, until both are there."""
        if self._connections is not None or time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + self._rhythm.retry
        try:
            copies.apply(self._wiring.bridge, self._wiring.group)
            self._connections = Connections()
        except (copies.CopiesError, ConntrackError) as error:
            self._troubled(str(error))
            return
        self._troubled("")

    def _wait(self) -> None:
        sources = [each for each in (self._connections, self._nurse) if each and each.fileno() >= 0]
        select.select(sources, [], [], 0.5)

    def _task(self) -> Task:
        found = (path for path in (self._paths.current_pack, self._paths.factory_pack) if path.exists())
        pack = next(found, None)
        return Task(self._wiring.group, self._wiring.outside_port, pack.resolve() if pack else None)

    def _learn(self, record: Learned) -> None:
        self._accounts.learned(record)
        if self._policy.blocks(time.monotonic()).unwanted(record, time.time()):
            self._block(record)

    def _hear(self) -> None:
        for _ in range(200):
            entries = self._connections.ended() if self._connections else []
            for entry in entries:
                self._accounts.counted(entry)
            if not entries:
                return

    def _survey(self) -> None:
        self._next_survey = time.monotonic() + self._rhythm.survey
        if self._connections is None:
            return
        try:
            for entry in self._connections.table():
                self._accounts.counted(entry)
        except ConntrackError as error:
            self._troubled(str(error))

    # --- out ------------------------------------------------------------------------------------------------------

    def _block(self, record: Learned) -> None:
        key = record.key
        flow = Tuple(key.protocol, key.low, key.low_port, key.high, key.high_port)
        try:
            if self._connections is None or not self._connections.mark(flow, _BLOCKED, _KNOWN_MASK):
                return
        except ConntrackError as error:
            self._troubled(str(error))
            return
        self._stopped += 1
        now, whom = time.monotonic(), (record.inside, record.application)
        if now - self._told.get(whom, -_TOLD_EVERY) >= _TOLD_EVERY:
            self._told[whom] = now
            self._spool.put(self._detection(record))
        while len(self._told) > _TOLD:
            del self._told[next(iter(self._told))]

    def _detection(self, record: Learned) -> Detection:
        key = record.key
        ends = [(key.low, key.low_port), (key.high, key.high_port)]
        if record.inside == key.high:
            ends.reverse()
        source, destination = (Endpoint(str(ip_address(address)), port) for address, port in ends)
        self._number += 1
        return Detection(
            DetectionId(f"{self._epoch}-{self._number}"),
            datetime.now(UTC),
            Guard.APG,
            Direction.OUTBOUND,
            Severity.ONE,
            policy.signature(record.application),
            f"APG {record.application}",
            Action.BLOCKED,
            f"the flow is {record.application}, and {record.category} is not wanted here",
            "tcp" if key.protocol == 6 else "udp",
            source,
            destination,
            record.category,
            record.host,
        )

    def _due(self) -> None:
        now, wall = time.monotonic(), time.time()
        if self._period_of(wall) != self._start:
            self._close_period(wall)
        elif now >= self._next_survey:
            self._survey()
        if now >= self._next_status:
            self._next_status = now + self._rhythm.status
            system.notify("WATCHDOG=1")
            self._write_status()
        self._spool.tick()

    def _close_period(self, wall: float) -> None:
        """Also after the clock was set: the sums are told with the period they began in."""
        self._survey()
        start = datetime.fromtimestamp(self._start, UTC)
        for message in self._accounts.tally.take(start, self._rhythm.period, missed=self._nurse.missed()):
            self._spool.put(message)
        self._start = self._period_of(wall)

    def _period_of(self, wall: float) -> int:
        return int(wall) // self._rhythm.period * self._rhythm.period

    def _write_status(self) -> None:
        ready, beat = self._nurse.ready, self._nurse.beat
        status = {
            "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "problem": self._trouble,
            "naming": self._nurse.pid,
            "library": ready.library if ready else "",
            "unconfined": list(ready.unconfined) if ready else [],
            "restarts": self._nurse.ended,
            "flows": beat.flows,
            "missed": beat.missed,
            "errors": beat.errors,
            "known": len(self._accounts),
            "cells": len(self._accounts.tally),
            "blocked": self._stopped,
        }
        path: Path = self._paths.usage_status
        with suppress(OSError):
            files.write_atomic(path, json.dumps(status).encode() + b"\n", mode=0o644)

    def _end(self) -> None:
        for record in self._nurse.turn(self._task()):
            self._accounts.learned(record)
        self._close_period(time.time())
        self._nurse.stop()
        with suppress(copies.CopiesError):
            copies.remove()
        if self._connections is not None:
            self._connections.close()
        self._spool.close()

    def _troubled(self, text: str) -> None:
        if text and text != self._trouble:
            self._say("warning", f"usage is not counted: {text}")
        self._trouble = text

    def _say(self, level: str, text: str) -> None:
        _LOG.log(logging.getLevelNamesMapping()[level.upper()], "%s", text)
        self._spool.put(Log(datetime.now(UTC), "usage", level, text))
