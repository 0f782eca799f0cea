"""From the spools of the other processes into the outbox, each segment once, with hosts named on the way."""

import logging
from pathlib import Path
from typing import Final

from omamori.firmware.agent.errors import OutboxFull
from omamori.firmware.agent.hosts import name_host
from omamori.firmware.agent.outbox import Outbox
from omamori.firmware.agent.picture import read_hosts
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import Segment, SpoolReader

log = logging.getLogger(__name__)

PROCESSES: Final = ("bridge", "lan", "update", "usage", "support")
MOST: Final = 50
"""Segments of one process in one turn."""


class Collector:
    """Call `collect` each turn; it never raises for a full or broken disk, `problem` says it."""

    def __init__(self, paths: Paths, outbox: Outbox) -> None:
        self.problem = ""
        self.skipped = 0
        """Lines that were no message."""
        self._paths, self._outbox = paths, outbox
        self._readers = {name: SpoolReader(paths.spool(name)) for name in PROCESSES}

    def collect(self) -> None:
        """Take what lies in the spools now."""
        try:
            present = {
                _identity(name, path)
                for name in PROCESSES
                for path in self._paths.spool(name).glob("*.jsonl")
            }
            self._outbox.forget_segments(lambda segment: segment not in present)
            for name, reader in self._readers.items():
                self._drain(name, reader)
            self.problem = ""
        except (OutboxFull, OSError) as error:
            if not self.problem:
                log.warning("messages stay in the spool: %s", error)
            self.problem = str(error)

    def _drain(self, name: str, reader: SpoolReader) -> None:
        hosts = None
        for number, segment in enumerate(reader.segments()):
            if number == MOST:
                return
            hosts = hosts or read_hosts(self._paths)
            bodies = [name_host(body, hosts) for body in segment.bodies]
            self._outbox.take(_identity(name, segment.path), bodies)
            self._forget(reader, segment)

    def _forget(self, reader: SpoolReader, segment: Segment) -> None:
        reader.remove(segment)
        if segment.skipped:
            self.skipped += segment.skipped
            log.warning("%d lines of %s are no message", segment.skipped, segment.path)


def _identity(process: str, path: Path) -> str:
    """Segment numbers start again after a reboot; the inode and its time tell two of one name apart."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return f"{process}/{path.name}"
    return f"{process}/{path.name}/{status.st_ino}/{status.st_mtime_ns}"
