"""Hosts and wiring together: facts in, and out come the two whole pictures and the messages worth sending. Pure.

This is the process without its sockets: a capture or a simulation drives it the same way.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from omamori.firmware.lan.diagnosis import PATIENCE, Patience, diagnose, inside
from omamori.firmware.lan.inventory import Inventory
from omamori.firmware.lan.sighting import Port, Sighting
from omamori.firmware.lan.vendors import Vendors
from omamori.firmware.lan.wire import Wire
from omamori.protocol.messages import Finding, Hosts, Wiring

MOST_TOLD: Final = 30
"""Hosts of one message: thirty of the largest stay under the wire's cap."""
TELL_EVERY: Final = timedelta(seconds=5)
"""At most one `hosts` message in this time."""
_CONFIDENCE_STEP: Final = 0.2


@dataclass(frozen=True, slots=True)
class News:
    """What is worth sending now."""

    hosts: Hosts | None = None
    wiring: Wiring | None = None


class Picture:
    """Feeds sightings to the wire and the inventory, and remembers what was told."""

    def __init__(
        self,
        wire: Wire,
        inventory: Inventory,
        *,
        vendors: Vendors,
        began: datetime,
        patience: Patience = PATIENCE,
    ) -> None:
        self.wire, self.inventory = wire, inventory
        self._vendors, self._began, self._patience = vendors, began, patience
        self._hosts_told: datetime | None = None
        self._wiring_told: tuple[Finding, ...] = ()
        self.inside = Port.LAN
        """The port that the hosts are behind, by the last diagnosis."""

    def note(self, sighting: Sighting) -> None:
        """Take one fact in."""
        self.wire.note(sighting)
        if sighting.source not in self.wire.own:
            self.inventory.note(sighting, inside=self.inside)

    def hosts(self, now: datetime) -> Hosts:
        """Every host known."""
        besides, shared = self.wire.no_hosts(), self.wire.shared(now)
        return Hosts(now, self.inventory.hosts(vendors=self._vendors, besides=besides, shared=shared))

    def wiring(self, now: datetime) -> Wiring:
        """The present diagnosis."""
        remembered = self.inventory.behind(besides=self.wire.no_hosts())
        equipment = self.inventory.equipment(vendors=self._vendors)
        seen = self.wire.observations(now, remembered=remembered, equipment=equipment)
        findings = diagnose(seen, patience=self._patience)
        if (now_inside := inside(findings)) is not self.inside:
            self.inside = now_inside
            self.inventory.exchange(max(link.since for link in seen.links.values()))
        return Wiring(now, findings)

    def news(self, wiring: Wiring, *, parting: bool = False) -> News:
        """Changes since the last call; hosts at most every few seconds unless `parting`, wiring where a verdict changed."""
        if parting:
            self._hosts_told = None
        return News(self._host_news(wiring.time), self._wiring_news(wiring))

    def shift(self, by: timedelta, *, until: datetime) -> None:
        """The clock was set: move every time that was noted in this run, up to `until`."""
        self.wire.shift(by)
        self.inventory.shift(by, since=self._began, until=until)
        self._began += by
        self._hosts_told = self._hosts_told + by if self._hosts_told else None

    def _host_news(self, now: datetime) -> Hosts | None:
        if self._hosts_told and now - self._hosts_told < TELL_EVERY:
            return None
        changed = self.inventory.take_changes(
            vendors=self._vendors,
            besides=self.wire.no_hosts(),
            most=MOST_TOLD,
            shared=self.wire.shared(now),
        )
        if not changed:
            return None
        self._hosts_told = now
        return Hosts(now, changed)

    def _wiring_news(self, wiring: Wiring) -> Wiring | None:
        if not _differs(self._wiring_told, wiring.findings):
            return None
        self._wiring_told = wiring.findings
        return wiring


def _differs(told: tuple[Finding, ...], found: tuple[Finding, ...]) -> bool:
    if [finding.code for finding in told] != [finding.code for finding in found]:
        return True
    pairs = zip(told, found, strict=True)
    return any(abs(old.confidence - new.confidence) >= _CONFIDENCE_STEP for old, new in pairs)
