"""The repository, opened once a run: first the time, then the metadata that are judged by it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from omamori.firmware.host.paths import Paths
from omamori.firmware.update import packs
from omamori.firmware.update.errors import ClockWrong, UpdateError
from omamori.firmware.update.machine import clock_wrong
from omamori.firmware.update.report import Memory
from omamori.firmware.update.world import World
from omamori.protocol import bundle
from omamori.protocol.version import Version

if TYPE_CHECKING:  # the repository's client is loaded when something is fetched
    from omamori.firmware.update.trust import Trust

CLOCK_SLACK: Final = timedelta(minutes=10)
"""A clock may be set back this far without being called wrong."""


class Opening:
    """`keep` is told the newest time that is known to be past."""

    def __init__(self, world: World, memory: Memory, keep: Callable[[datetime], object]) -> None:
        self._world, self._memory, self._keep = world, memory, keep
        self._opened: Trust | UpdateError | None = None
        self._repository: Trust | None = None

    def trust(self) -> "Trust":
        """The repository, refreshed, tried once for a run. Raises UpdateError."""
        if self._opened is None:
            try:
                self._opened = self._open()
            except UpdateError as error:
                self._opened = error
        if isinstance(self._opened, UpdateError):
            raise self._opened
        return self._opened

    def firmware(self, path: str, *, urgent: Callable[[], bool], cost: Callable[[int], object]) -> Path:
        """A verified bundle, put together from the running slot as far as that goes; `cost` is told the bytes that came.

        Raises UpdateError, GiveWay.
        """
        return self._fetch(path, self._world.disk.at_hand(), urgent=urgent, cost=cost)

    def pack(self, version: Version) -> Path:
        """A verified pack, put together from those that are here as far as that goes. Raises UpdateError."""
        path, paths = bundle.pack_path(version), self._world.paths
        packs.require_offered(version, self.trust().find(path).custom)
        costs: list[int] = []
        found = self._fetch(path, packs.at_hand(paths), urgent=lambda: False, cost=costs.append)
        size = found.stat().st_size
        self._memory.say("info", f"pack {version}: {sum(costs):,} bytes fetched for {size:,}")
        return found

    def _fetch(
        self,
        path: str,
        at_hand: Sequence[Path],
        *,
        urgent: Callable[[], bool],
        cost: Callable[[int], object],
    ) -> Path:
        repository = self.trust()
        before = repository.received
        try:
            return repository.fetch(path, urgent=urgent, at_hand=at_hand)
        finally:
            cost(repository.received - before)
            for remark in repository.remarks:
                self._memory.say("warning", remark)
            repository.remarks.clear()

    def close(self) -> None:
        """End the connections; the next `trust` opens anew."""
        if self._repository is not None:
            self._repository.close()
        self._repository = self._opened = None

    def _open(self) -> "Trust":
        now = self._time()
        self._repository = self._world.trust()
        self._repository.refresh(now)
        self._keep(max(now, self._memory.journal().time_floor or now))
        return self._repository

    def _time(self) -> datetime:
        """What the servers agree on, else the clock's, where that can be. Raises ClockWrong."""
        from omamori.firmware.update import clock

        floors = (self._memory.journal().time_floor, _image_time(self._world.paths))
        floor = clock.newest(floors)
        right = self._world.agreed(floor - CLOCK_SLACK if floor else None)
        if said := clock.clamp(self._world.now(), self._world.set_clock, right):
            self._memory.say("warning", said)
        now = right or self._world.now()
        if wrong := clock_wrong(now, floors, CLOCK_SLACK):
            raise ClockWrong(wrong)
        return now


def _image_time(paths: Paths) -> datetime | None:
    """When the image was made, as far as it says."""
    with suppress(OSError):
        return datetime.fromtimestamp(paths.os_release.stat().st_mtime, UTC)
    return None
