"""Which hosts of a site a unit protects: `judge` is pure, from hosts and declarations to one row a device.

A device is in the report while it was seen lately, was declared, or was described by the customer. Several MAC addresses that the
unit takes for one device are one row. Within a unit the newest sighting says the side; between units of a site being behind one
counts. The router that stands where it belongs is left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.lan import queries
from omamori.fleet.lan.models import Declared, Host, Ownership
from omamori.protocol.vocabulary import Side

LATELY: Final = timedelta(days=30)
"""How long after its last sighting a host still counts as being there."""
SHARED: Final = 0.6
"""From this score on, several devices are taken to speak through a host; the unit's own threshold."""


class State(StrEnum):
    """What the report says of a device, in the report's order."""

    WRONG_SIDE = "wrong-side"
    NEVER_SEEN = "never-seen"
    GONE = "gone"
    COVERED = "covered"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One device."""

    state: State
    name: str
    declared: bool
    mac: str = ""
    kind: str = ""
    system: str = ""
    vendor: str = ""
    ownership: str = ""
    shared: bool = False
    """Several devices speak through it: what is behind it is not told apart."""
    unit: str = ""
    first_seen: datetime | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A site at one moment."""

    site: Site
    at: datetime
    rows: tuple[Row, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Rows by state, and how many were declared; every state is there."""
        counted = {state.value: 0 for state in State} | {"declared": 0}
        for row in self.rows:
            counted[row.state] += 1
            counted["declared"] += row.declared
        return counted


COLUMNS: Final = tuple(Row.__slots__)
"""Of a row, in order."""


def report(actor: Actor, site: int, *, now: datetime) -> Report:
    """The report of a site. Raises NotFound."""
    place = visible_site(actor, site)
    hosts = list(queries.hosts(actor, site=place.pk).prefetch_related(None))
    return Report(place, now, judge(hosts, list(queries.declared(actor, place.pk)), now=now))


def judge(hosts: Iterable[Host], declared: Iterable[Declared], *, now: datetime) -> tuple[Row, ...]:
    """One row a device and a row for each declared host that was never seen; what needs doing first."""
    devices = _devices(hosts)
    wanted, unseen = _matched(devices, declared)
    rows = [
        _row(sightings, wanted.get(place), now)
        for place, sightings in enumerate(devices)
        if place in wanted or _counts(sightings, now)
    ]
    rows += [Row(state=State.NEVER_SEEN, name=row.name, mac=row.mac, declared=True) for row in unseen]
    order = list(State)
    return tuple(sorted(rows, key=lambda row: (order.index(row.state), row.name.casefold(), row.mac)))


def plain(row: Row) -> dict[str, str | bool]:
    """A row for programs and spreadsheets; times in ISO 8601, UTC, or empty."""
    return {column: _plain(getattr(row, column)) for column in COLUMNS}


def _plain(value: object) -> str | bool:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, bool) else str(value or "")


def document(found: Report) -> dict[str, object]:
    """The report as one JSON object."""
    return {
        "site": found.site.pk,
        "name": found.site.name,
        "customer": found.site.customer.name,
        "time": found.at.isoformat().replace("+00:00", "Z"),
        "counts": found.counts,
        "hosts": [plain(row) for row in found.rows],
    }


def _devices(hosts: Iterable[Host]) -> list[Sequence[Host]]:
    """Sightings by device, newest first; what one unit takes for one device is one wherever it was seen."""
    listed = sorted(hosts, key=lambda host: (host.last_seen, host.mac), reverse=True)
    device = {host.mac: host.device for host in listed if host.device}
    found: dict[str, list[Host]] = {}
    for host in listed:
        found.setdefault(device.get(host.mac, host.mac), []).append(host)
    return list(found.values())


def _matched(
    devices: Sequence[Sequence[Host]], declared: Iterable[Declared]
) -> tuple[Mapping[int, Declared], list[Declared]]:
    """Declared hosts by the device each is (by MAC address first, else by name), and those that are none."""
    by_mac = {mac: place for place, device in enumerate(devices) for mac in _macs(device)}
    wanted: dict[int, Declared] = {}
    unseen = []
    for row in sorted(declared, key=lambda row: not row.mac):
        named = None if row.mac else _named(devices, row.name, wanted)
        place = by_mac.get(row.mac) if row.mac else named
        if place is None:
            unseen.append(row)
        else:
            wanted[place] = row
    return wanted, unseen


def _macs(device: Sequence[Host]) -> set[str]:
    return {mac for host in device for mac in (host.mac, host.device) if mac}


def _named(devices: Sequence[Sequence[Host]], name: str, taken: Mapping[int, Declared]) -> int | None:
    """The device of that name which no other declaration has; the one seen last where there are several."""
    told = name.casefold()
    for place, device in enumerate(devices):
        names = {text.casefold() for host in device for text in (host.given_name, host.name) if text}
        if place not in taken and told in names:
            return place
    return None


def _counts(device: Sequence[Host], now: datetime) -> bool:
    """Whether a device that nobody declared belongs in the report."""
    if any(host.ownership or host.given_name for host in device):
        return True
    newest = device[0]
    in_its_place = newest.kind == "router" and newest.side == Side.ROUTER
    return newest.last_seen >= now - LATELY and not in_its_place


def _row(device: Sequence[Host], declared: Declared | None, now: datetime) -> Row:
    shown = next(_present(device, now), device[0])
    return Row(
        state=_state(device, shown, now),
        name=_first(device, "given_name") or (declared.name if declared else "") or _first(device, "name"),
        declared=declared is not None,
        mac=shown.mac,
        kind=shown.kind or _first(device, "kind"),
        system=shown.system or _first(device, "system"),
        vendor=shown.vendor,
        ownership=_first(device, "ownership"),
        shared=any(host.shared >= SHARED for host in device),
        unit=shown.unit_id,
        first_seen=min(host.first_seen for host in device),
        last_seen=device[0].last_seen,
    )


def _state(device: Sequence[Host], shown: Host, now: datetime) -> State:
    if _first(device, "ownership") == Ownership.PRIVATE:
        return State.PRIVATE
    if device[0].last_seen < now - LATELY:
        return State.GONE
    return State.COVERED if shown.side == Side.BEHIND else State.WRONG_SIDE


def _present(device: Sequence[Host], now: datetime) -> Iterator[Host]:
    """The newest sighting of each unit that saw it lately, those behind one first."""
    newest: dict[str, Host] = {}
    for host in device:
        newest.setdefault(host.unit_id, host)
    lately = [host for host in newest.values() if host.last_seen >= now - LATELY]
    yield from sorted(lately, key=lambda host: host.side != Side.BEHIND)


def _first(device: Sequence[Host], column: str) -> str:
    return next((value for host in device if (value := str(getattr(host, column)))), "")
