"""What the wiring diagnosis is read from: a frozen picture of both ports at one moment. Only types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omamori.firmware.lan.sighting import Port
from omamori.protocol.ids import Mac


@dataclass(frozen=True, slots=True)
class Link:
    """A port's cable."""

    name: str
    up: bool
    since: datetime
    """When it came up, or went down."""
    received: int = 0
    sent: int = 0
    """Frames since boot, as the kernel counts them."""


@dataclass(frozen=True, slots=True)
class Station:
    """A device heard since its port's link came up; `last` holds the newest time on each port it was heard on."""

    mac: Mac
    first: datetime
    last: Mapping[Port, datetime]
    is_client: bool = False
    """It asked for a lease, or asked by ARP for somebody else."""
    speaks_ip: bool = False

    @property
    def port(self) -> Port:
        """Where it was heard last."""
        return max(self.last, key=lambda port: self.last[port])


@dataclass(frozen=True, slots=True)
class Router:
    """A station that hands out leases naming itself as gateway, or that answers for the gateway's address."""

    station: Station
    addresses: tuple[str, ...]
    reasons: tuple[str, ...]
    """`gateway` (claims the address hosts are told to use), `dhcp` (gives leases)."""


@dataclass(frozen=True, slots=True)
class Dialling:
    """PPPoE frames that passed through the unit lately."""

    first: datetime
    last: datetime
    discovery: int
    """PADI, PADO, PADR, PADS and PADT frames."""
    session: int
    """Session frames sampled; the true number is larger."""
    ports: frozenset[Port]
    """Where frames arrived."""
    clients: Mapping[Mac, Port] = field(default_factory=dict)
    concentrators: Mapping[Mac, Port] = field(default_factory=dict)
    name: str = ""
    """What the concentrator calls itself."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Hosts that were behind the unit at some time, from the inventory."""

    count: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything, at `now`."""

    now: datetime
    links: Mapping[Port, Link]
    stations: tuple[Station, ...] = ()
    """Without routers, without the ends of PPPoE that speak nothing else, without the unit itself."""
    routers: tuple[Router, ...] = ()
    dialling: Dialling | None = None
    remembered: Remembered = Remembered()

    def hosts_on(self, port: Port) -> tuple[Station, ...]:
        """Stations last heard on this port."""
        return tuple(station for station in self.stations if station.port is port)
