"""The hosts: devices, told apart by MAC address, with the addresses they held and when. Pure and bounded.

Sightings go in, `Host` messages come out. A host moves to the side it was last seen on; an address that moves to another
host stays in the first one's history, so a past event can still be given its host. The caller says which MAC addresses are
not hosts (the unit's own, routers): they are remembered, but never told.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Final

from omamori.firmware.lan.arp import Arp
from omamori.firmware.lan.dhcp import Dhcp, MessageType
from omamori.firmware.lan.ethernet import is_station
from omamori.firmware.lan.observations import Remembered
from omamori.firmware.lan.sighting import Port, Sighting
from omamori.firmware.lan.vendors import Vendors
from omamori.protocol.ids import Mac
from omamori.protocol.messages import Host, HostAddress
from omamori.protocol.vocabulary import Side

MOST_HOSTS: Final = 1_000
MOST_ADDRESSES: Final = 16
"""Of one host; the one not seen for longest is forgotten."""
STILL_THERE: Final = timedelta(hours=1)
"""A host that changed in nothing but `last_seen` is told again after this long."""

_LEASED = frozenset({MessageType.ACK})
_ASKED = frozenset({MessageType.DISCOVER, MessageType.REQUEST, MessageType.INFORM})


@dataclass(slots=True)
class Span:
    """First and last time something was seen."""

    first: datetime
    last: datetime

    def extend(self, time: datetime) -> None:
        """Stretch to include this time."""
        self.first, self.last = min(self.first, time), max(self.last, time)

    def shift(self, by: timedelta, *, since: datetime, until: datetime) -> None:
        """Move the ends that lie in this period: the clock was set."""
        self.first = self.first + by if since <= self.first <= until else self.first
        self.last = self.last + by if since <= self.last <= until else self.last
        self.first = min(self.first, self.last)


@dataclass(slots=True)
class Record:
    """What is known of one device."""

    mac: Mac
    side: Side
    seen: Span
    addresses: dict[str, Span] = field(default_factory=dict)
    name: str = ""
    name_source: str = ""

    def hold(self, address: str, time: datetime) -> None:
        """Note that the device holds this address."""
        span = self.addresses.get(address)
        if span:
            span.extend(time)
            return
        self.addresses[address] = Span(time, time)
        if len(self.addresses) > MOST_ADDRESSES:
            del self.addresses[min(self.addresses, key=lambda held: self.addresses[held].last)]

    def essence(self) -> tuple[object, ...]:
        """What makes a change worth telling at once."""
        return (self.side, self.name, self.name_source, frozenset(self.addresses))

    def host(self, vendors: Vendors) -> Host:
        """The message form; addresses newest first."""
        ordered = sorted(self.addresses.items(), key=lambda held: (held[1].last, held[0]), reverse=True)
        return Host(
            mac=self.mac,
            side=self.side,
            first_seen=self.seen.first,
            last_seen=self.seen.last,
            addresses=tuple(HostAddress(address, span.first, span.last) for address, span in ordered),
            name=self.name,
            name_source=self.name_source,
            vendor=vendors.of(self.mac),
        )


class Inventory:
    """All devices ever seen, up to `most`; the least known and longest silent go first."""

    def __init__(self, records: Iterable[Record] = (), *, most: int = MOST_HOSTS) -> None:
        self._records = {record.mac: record for record in records}
        self._told: dict[Mac, tuple[tuple[object, ...], datetime]] = {}
        self._most = most

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
                self._spoke(asked.client, side, time, address=asked.client_address, name=asked.host_name)
            case Dhcp(from_server=True) as answer if answer.message in _LEASED:
                self._leased(answer, time)
                self._spoke(sighting.source, side, time)
            case _:
                self._spoke(sighting.source, side, time)

    def exchange(self, since: datetime) -> None:
        """The ports' parts were exchanged: what was seen since then was seen on the other side."""
        for record in self._records.values():
            if record.seen.last >= since:
                record.side = Side.ROUTER if record.side is Side.BEHIND else Side.BEHIND

    def hosts(self, *, vendors: Vendors, besides: frozenset[Mac]) -> tuple[Host, ...]:
        """Everything known, leaving out `besides`, in the order of first sight."""
        known = sorted(self._records.values(), key=lambda record: (record.seen.first, record.mac))
        return tuple(record.host(vendors) for record in known if record.mac not in besides)

    def take_changes(self, *, vendors: Vendors, besides: frozenset[Mac], most: int) -> tuple[Host, ...]:
        """Hosts that are new or changed since they were last taken, at most `most` of them."""
        changed = [r for r in self._records.values() if r.mac not in besides and self._worth_telling(r)]
        for record in changed[:most]:
            self._told[record.mac] = (record.essence(), record.seen.last)
        return tuple(record.host(vendors) for record in changed[:most])

    def behind(self, *, besides: frozenset[Mac]) -> Remembered:
        """How many hosts belong behind the unit, and when the last of them was seen."""
        times = [
            record.seen.last
            for record in self._records.values()
            if record.side is Side.BEHIND and record.mac not in besides
        ]
        return Remembered(len(times), max(times, default=None))

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
        self, mac: Mac, side: Side, time: datetime, *, address: IPv4Address | None = None, name: str = ""
    ) -> None:
        if not is_station(mac):
            return
        record = self._records.get(mac) or self._begin(mac, side, time)
        if time >= record.seen.last:
            record.side = side
        record.seen.extend(time)
        if address is not None and _of_a_host(address):
            record.hold(str(address), time)
        if name:
            record.name, record.name_source = name, "dhcp"

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

    def _worth_telling(self, record: Record) -> bool:
        told = self._told.get(record.mac)
        if told is None or told[0] != record.essence():
            return True
        return record.seen.last - told[1] >= STILL_THERE


def _worth(record: Record) -> tuple[bool, bool, datetime]:
    return (bool(record.name), bool(record.addresses), record.seen.last)


def _of_a_host(address: IPv4Address) -> bool:
    return not (
        address.is_unspecified
        or address.is_multicast
        or address.is_loopback
        or str(address) == "255.255.255.255"
    )
