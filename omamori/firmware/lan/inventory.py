"""The hosts: devices, told apart by MAC address, with the addresses they held and what they said of themselves. Pure and bounded.

Sightings go in, `Host` messages come out. A host moves to the side it was last seen on; an address that moves to another
host stays in the first one's history, so a past event can still be given its host. The caller says which MAC addresses are
not hosts (the unit's own, routers): they are remembered, but never told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address
from typing import Final

from omamori.firmware.lan.arp import Arp
from omamori.firmware.lan.client import Client
from omamori.firmware.lan.dhcp import Dhcp, MessageType
from omamori.firmware.lan.ethernet import is_station
from omamori.firmware.lan.hint import Hint
from omamori.firmware.lan.identity import Same, devices
from omamori.firmware.lan.internet import Address
from omamori.firmware.lan.kinds import Kind, guess
from omamori.firmware.lan.ndp import Neighbour
from omamori.firmware.lan.observations import Remembered
from omamori.firmware.lan.record import MOST_ADDRESSES, Record, Span
from omamori.firmware.lan.segment import Opening
from omamori.firmware.lan.sighting import Passing, Port, Sighting
from omamori.firmware.lan.translation import Shared
from omamori.firmware.lan.vendors import Vendors
from omamori.protocol.ids import Mac
from omamori.protocol.messages import Host
from omamori.protocol.vocabulary import Side

__all__ = ["MOST_ADDRESSES", "MOST_HOSTS", "STILL_THERE", "Inventory", "Record", "Span"]

MOST_HOSTS: Final = 1_000
STILL_THERE: Final = timedelta(hours=1)
"""A host that changed in nothing but `last_seen` is told again after this long."""

_EQUIPMENT: Final = frozenset({Kind.ROUTER, Kind.ACCESS_POINT})
_LEASED = frozenset({MessageType.ACK})
_ASKED = frozenset({MessageType.DISCOVER, MessageType.REQUEST, MessageType.INFORM})


class Inventory:
    """All devices ever seen, up to `most`; the least known and longest silent go first."""

    def __init__(self, records: Iterable[Record] = (), *, most: int = MOST_HOSTS) -> None:
        self._records = {record.mac: record for record in records}
        self._told: dict[Mac, tuple[tuple[object, ...], datetime]] = {}
        self._most = most
        self.apart: frozenset[frozenset[Mac]] = frozenset()
        """Pairs that an operator has set apart: never concluded to be one device."""

    def __len__(self) -> int:
        return len(self._records)

    def note(self, sighting: Sighting, *, inside: Port = Port.LAN) -> None:
        """Take one fact in; the hosts are behind the port `inside`."""
        time = sighting.time
        side = Side.BEHIND if sighting.port is inside else Side.ROUTER
        match sighting.said:
            case Arp() as arp:
                self._spoke(arp.sender, side, time, address=arp.claims)
            case Dhcp(from_server=False) as asked if asked.message in _ASKED and asked.relay is None:
                if record := self._spoke(asked.client, side, time, address=asked.client_address):
                    record.asked(asked)
            case Dhcp(from_server=True) as answer if answer.message in _LEASED:
                self._leased(answer, time)
                self._spoke(sighting.source, side, time)
            case Neighbour(claims=IPv6Address() as address):
                self._spoke(sighting.source, side, time, address=address)
            case Hint() as hint:
                if record := self._spoke(sighting.source, side, time):
                    record.said(hint)
            case Opening() | Passing():
                self._passed(sighting, side)
            case Client() as client:
                if record := self._passed(sighting, side):
                    record.runs(client)
            case _:
                self._spoke(sighting.source, side, time)

    def exchange(self, since: datetime) -> None:
        """The ports' parts were exchanged: what was seen since then was seen on the other side."""
        for record in self._records.values():
            if record.seen.last >= since:
                record.side = Side.ROUTER if record.side is Side.BEHIND else Side.BEHIND

    def hosts(
        self, *, vendors: Vendors, besides: frozenset[Mac], shared: Iterable[Shared] = ()
    ) -> tuple[Host, ...]:
        """Everything known, leaving out `besides`, in the order of first sight."""
        known = sorted(self._records.values(), key=lambda record: (record.seen.first, record.mac))
        return self._told_as([record for record in known if record.mac not in besides], vendors, shared)

    def take_changes(
        self, *, vendors: Vendors, besides: frozenset[Mac], most: int, shared: Iterable[Shared] = ()
    ) -> tuple[Host, ...]:
        """Hosts that are new or changed since they were last taken, at most `most` of them."""
        same, speakers = self._same(), {each.mac: each.score for each in shared}
        changed: list[Record] = []
        for record in self._records.values():
            essence = (record.essence(), same.get(record.mac), speakers.get(record.mac, 0.0))
            if record.mac not in besides and self._worth_telling(record, essence) and len(changed) < most:
                self._told[record.mac] = (essence, record.seen.last)
                changed.append(record)
        return self._told_as(changed, vendors, shared)

    def _told_as(self, records: list[Record], vendors: Vendors, shared: Iterable[Shared]) -> tuple[Host, ...]:
        same, speakers = self._same(), {each.mac: each for each in shared}
        hosts = (record.host(vendors, same=same.get(record.mac)) for record in records)
        return tuple(_with_speaker(host, speakers.get(host.mac)) for host in hosts)

    def _same(self) -> Mapping[Mac, Same]:
        return devices((record.known() for record in self._records.values()), apart=self.apart)

    def behind(self, *, besides: frozenset[Mac]) -> Remembered:
        """How many hosts belong behind the unit, and when the last of them was seen."""
        times = [
            record.seen.last
            for record in self._records.values()
            if record.side is Side.BEHIND and record.mac not in besides
        ]
        return Remembered(len(times), max(times, default=None))

    def equipment(self, *, vendors: Vendors) -> frozenset[Mac]:
        """Devices that seem to be routers or access points."""
        return frozenset(
            record.mac
            for record in self._records.values()
            if guess(record.traits(vendors.of(record.mac))).kind in _EQUIPMENT
        )

    def newest_addresses(self) -> list[str]:
        """The address each host held last, hosts behind the unit first."""
        ordered = sorted(
            self._records.values(), key=lambda r: (r.side is not Side.BEHIND, -r.seen.last.timestamp())
        )
        return [max(r.addresses, key=lambda held: r.addresses[held].last) for r in ordered if r.addresses]

    def records(self) -> tuple[Record, ...]:
        """For storing."""
        return tuple(self._records.values())

    def shift(self, by: timedelta, *, since: datetime, until: datetime) -> None:
        """The clock was set: move the times noted in this period."""
        for record in self._records.values():
            for span in (record.seen, *record.addresses.values()):
                span.shift(by, since=since, until=until)

    def _spoke(
        self, mac: Mac, side: Side, time: datetime, *, address: Address | None = None
    ) -> Record | None:
        """The device's record; None for what can be no device."""
        if not is_station(mac):
            return None
        record = self._records.get(mac) or self._begin(mac, side, time)
        if time >= record.seen.last:
            record.side = side
        record.seen.extend(time)
        if address is not None and _of_a_host(address):
            record.hold(str(address), time)
        return record

    def _passed(self, sighting: Sighting, side: Side) -> Record | None:
        """A packet on its way: it shows that a device known is still there, and makes none known."""
        if sighting.source not in self._records:
            return None
        return self._spoke(sighting.source, side, sighting.time)

    def _leased(self, answer: Dhcp, time: datetime) -> None:
        """A server's word about a device already known: which side it is on only its own frames tell."""
        record = self._records.get(answer.client)
        address = answer.offered or answer.client_address
        if record and address is not None and _of_a_host(address):
            record.hold(str(address), time)

    def _begin(self, mac: Mac, side: Side, time: datetime) -> Record:
        if len(self._records) >= self._most:
            gone = min(self._records.values(), key=_worth)
            del self._records[gone.mac]
            self._told.pop(gone.mac, None)
        self._records[mac] = record = Record(mac, side, Span(time, time))
        return record

    def _worth_telling(self, record: Record, essence: tuple[object, ...]) -> bool:
        told = self._told.get(record.mac)
        if told is None or told[0] != essence:
            return True
        return record.seen.last - told[1] >= STILL_THERE


def _worth(record: Record) -> tuple[bool, bool, datetime]:
    return (bool(record.name), bool(record.addresses), record.seen.last)


def _with_speaker(host: Host, speaker: Shared | None) -> Host:
    return replace(host, shared=speaker.score, shared_reasons=speaker.reasons) if speaker else host


def _of_a_host(address: Address) -> bool:
    return not (
        address.is_unspecified
        or address.is_multicast
        or address.is_loopback
        or (isinstance(address, IPv6Address) and address.is_link_local)
        or str(address) == "255.255.255.255"
    )
