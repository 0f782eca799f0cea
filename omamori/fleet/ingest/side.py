"""The database as the link worker sees it (`broker.link.FleetSide`): ingest's operations on a long-lived connection."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

from omamori.fleet.ingest import operations
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Upward

T = TypeVar("T")


class DatabaseSide:
    """Every call is one transaction; a broken connection is closed, so that the next call opens a new one."""

    def store(self, batch: Sequence[Upward]) -> None:
        """Store each (unit, boot, sequence) once, all or nothing; return after the commit."""
        _fresh_after_failure(lambda: operations.store(batch))

    def presence(self, unit: UnitId, *, online: bool, time: datetime) -> None:
        """A unit came or went."""
        _fresh_after_failure(lambda: operations.presence(unit, online=online, time=time))

    def raised(self) -> Iterable[tuple[UnitId, int]]:
        """Units whose wanted generation is above the one they reported, with that generation."""
        return _fresh_after_failure(operations.raised)


def _fresh_after_failure(act: Callable[[], T]) -> T:
    try:
        return act()
    except (OperationalError, InterfaceError):
        connection.close()
        raise
