"""What is new at a site. Of its hosts: a pure comparison of what is there with what was told before; helpers come beside them.

A host is new once. It has vanished when it was there for weeks, or was declared or named, and its unit, which is well, has not heard
it for a week; it is on the wrong side when it is seen nowhere behind a unit. Each is told once, and again only after it was over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from omamori.fleet.lan.coverage import Row, State

GONE_AFTER: Final = timedelta(days=7)
"""Longer than a trip or a cold."""
BELONGS_AFTER: Final = timedelta(days=14)
"""What was seen for so long is no visitor."""
UNIT_HEARS: Final = timedelta(days=1)
"""A unit that was silent for longer says nothing of its hosts."""


class What(StrEnum):
    """Kinds of news, in the order they are told."""

    WRONG_SIDE = "wrong-side"
    NEW = "new"
    VANISHED = "vanished"
    SUPPORT = "support"
    """A helper could look at a unit."""


@dataclass(frozen=True, slots=True)
class News:
    """One host and what is new about it, or one helper who could look at a unit."""

    what: What
    mac: str = ""
    name: str = ""
    """The host's, or the helper's."""
    kind: str = ""
    vendor: str = ""
    since: str = ""
    """ISO 8601: first seen where it is new, else last seen; of a helper, when the unit opened."""
    until: str = ""
    """When the unit closed. This and what follows of a helper only."""
    unit: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A row of the report, the name it is known by, and when its unit was heard last."""

    row: Row
    key: str
    unit_heard: datetime | None


def compare(
    devices: Iterable[Device], known: Mapping[str, str], *, first: bool, now: datetime
) -> tuple[list[News], dict[str, str]]:
    """News in order, and what is told from now on by key. On the first look nothing is new."""
    news, told = [], dict(known)
    for device in devices:
        if not device.row.mac or device.row.state is State.PRIVATE:
            continue
        before = known.get(device.key)
        present = _present(device, now)
        if before is None and not first and not device.row.declared and present is not What.VANISHED:
            news.append(_news(What.NEW, device.row))
        if present and before != present and not (first and present is What.VANISHED):
            news.append(_news(present, device.row))
        told[device.key] = present.value if present else ""
    order = list(What)
    return sorted(news, key=lambda each: (order.index(each.what), each.name.casefold(), each.mac)), told


def _present(device: Device, now: datetime) -> What | None:
    row = device.row
    if _vanished(device, now):
        return What.VANISHED
    return What.WRONG_SIDE if row.state is State.WRONG_SIDE else None


def _vanished(device: Device, now: datetime) -> bool:
    row, heard = device.row, device.unit_heard
    if row.first_seen is None or row.last_seen is None or heard is None or heard < now - UNIT_HEARS:
        return False
    belongs = row.declared or bool(row.ownership) or row.last_seen - row.first_seen >= BELONGS_AFTER
    return belongs and row.last_seen < now - GONE_AFTER


def _news(what: What, row: Row) -> News:
    moment = row.first_seen if what is What.NEW else row.last_seen
    since = moment.isoformat() if moment else ""
    return News(what, row.mac, row.name, row.kind, row.vendor, since)
