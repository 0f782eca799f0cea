"""What is known of one MAC address: where and when it was seen, its addresses, its names and traits. Pure and bounded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from omamori.firmware.lan import software
from omamori.firmware.lan.client import Client
from omamori.firmware.lan.dhcp import Dhcp
from omamori.firmware.lan.hint import Hint, Source, means_something
from omamori.firmware.lan.identity import Known, Same
from omamori.firmware.lan.kinds import Traits, guess
from omamori.firmware.lan.software import Software
from omamori.firmware.lan.vendors import Vendors
from omamori.protocol.ids import Mac
from omamori.protocol.messages import Host, HostAddress
from omamori.protocol.vocabulary import Side

MOST_ADDRESSES: Final = 16
"""Of one host; the one not seen for longest is forgotten."""
_MOST_SERVICES: Final = 24


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
    names: dict[Source, str] = field(default_factory=dict)
    services: dict[str, None] = field(default_factory=dict)
    model: str = ""
    system: str = ""
    vendor_class: str = ""
    parameters: tuple[int, ...] = ()
    identity: str = ""
    software: dict[Software, None] = field(default_factory=dict)
    """What programs of its own were recognised as; bounded by the table of them."""

    @property
    def name(self) -> str:
        """The best source's."""
        return next(self._ranked(), ("", ""))[1]

    @property
    def name_source(self) -> str:
        return next(self._ranked(), ("", ""))[0]

    def _ranked(self) -> Iterator[tuple[str, str]]:
        return ((source.value, self.names[source]) for source in Source if source in self.names)

    def called(self, source: Source, name: str) -> None:
        """It was named; names that say nothing are skipped."""
        if means_something(name):
            self.names[source] = name

    def asked(self, message: Dhcp) -> None:
        """What a DHCP client's message says of it."""
        self.called(Source.DHCP, message.host_name)
        self.vendor_class = message.vendor_class or self.vendor_class
        self.parameters = message.parameters or self.parameters
        self.identity = message.identity or self.identity

    def said(self, hint: Hint) -> None:
        """What it says by a name or service protocol."""
        if not hint.own:
            return
        self.called(hint.source, hint.name)
        self.services.update(dict.fromkeys(hint.services))
        for service in list(self.services)[:-_MOST_SERVICES]:
            del self.services[service]
        self.model, self.system = hint.model or self.model, hint.system or self.system
        self.identity = hint.identity or self.identity

    def runs(self, client: Client) -> None:
        """What a program says counts for the device whose address it uses, unless it came through it from another."""
        if client.software and not client.travelled and str(client.source) in self.addresses:
            self.software[client.software] = None

    def known(self) -> Known:
        """For the rules of identity."""
        return Known(
            self.mac, self.seen.first, self.seen.last, dict(self.names), self.identity, self.parameters
        )

    def traits(self, vendor: str) -> Traits:
        return Traits(
            frozenset(self.services),
            self.model,
            self.system,
            self.vendor_class,
            self.parameters,
            vendor,
            self.name,
            self._telling(),
        )

    def _telling(self) -> frozenset[Software]:
        """Nothing where programs of different systems speak: then they are several devices, or one that pretends."""
        return frozenset(self.software) if len(software.families(self.software)) < 2 else frozenset()

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
        said = (frozenset(self.services), self.model, self.system, self.vendor_class, self.parameters)
        return (self.side, self.name, self.name_source, frozenset(self.addresses), said, self._telling())

    def host(self, vendors: Vendors, *, same: Same | None = None) -> Host:
        """The message form; addresses newest first."""
        vendor = vendors.of(self.mac)
        guessed = guess(self.traits(vendor))
        ordered = sorted(self.addresses.items(), key=lambda held: (held[1].last, held[0]), reverse=True)
        return Host(
            mac=self.mac,
            side=self.side,
            first_seen=self.seen.first,
            last_seen=self.seen.last,
            addresses=tuple(HostAddress(address, span.first, span.last) for address, span in ordered),
            name=self.name,
            name_source=self.name_source,
            vendor=vendor,
            kind=guessed.kind,
            system=guessed.system,
            device=same.device if same else None,
            device_reason=same.reason if same else "",
        )
