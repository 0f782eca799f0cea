"""What the wiring diagnosis is read from: a frozen picture of both ports at one moment. Only types."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Interface
from typing import TypeVar

from omamori.firmware.lan.claims import Conflict
from omamori.firmware.lan.leases import Lessor
from omamori.firmware.lan.passage import Tagging
from omamori.firmware.lan.sighting import Port
from omamori.firmware.lan.translation import Shared
from omamori.protocol.ids import Mac

_Held = TypeVar("_Held")


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
    speed: int | None = None
    """Mbit/s; None where the driver does not know."""
    half_duplex: bool = False
    errors: int = 0
    """Broken frames of the last minutes."""
    frames: int = 0
    """Frames received in the same minutes."""


@dataclass(frozen=True, slots=True)
class Station:
    """A device heard since its port's link came up; `last` holds the newest time on each port it was heard on."""

    mac: Mac
    first: datetime
    last: Mapping[Port, datetime]
    is_client: bool = False
    """It asked for a lease, or asked by ARP for somebody else."""
    speaks_ip: bool = False
    """It claimed an address that is more than link-local."""
    addresses: tuple[str, ...] = ()
    """IPv4 addresses that it claimed by ARP, at most eight."""
    awake: tuple[datetime, ...] = ()
    """The newest times it spoke without being asked, ten seconds apart."""
    untagged: bool = True
    """It was heard without a VLAN tag, or by the bridge alone."""

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
    """`gateway` (claims the address hosts are told to use), `dhcp` (gives leases), `ra` (advertises itself by IPv6),
    `forwards` (brings packets of the open internet)."""


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
class Own:
    """The unit's own place in the network."""

    address: IPv4Interface | None = None
    reaches_ipv6: bool = False
    """It has an IPv6 address that is more than link-local."""
    gateway: str = ""


class FleetAnswer(StrEnum):
    """How the last try to reach the fleet ended."""

    UNKNOWN = "unknown"
    """Nobody told the unit where its fleet is, or no try was made yet."""
    REACHED = "reached"
    NO_NAME = "no name"
    """The name servers answer, but not to the fleet's name."""
    NAMES_SILENT = "names silent"
    """No name server answers."""
    SILENT = "silent"
    REFUSED = "refused"
    INTERCEPTED = "intercepted"
    """Somebody else answers in the fleet's place."""
    UNTIMELY = "untimely"
    """The certificate is not valid at the time that the unit's clock shows."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the unit's own tries have shown."""

    fleet: FleetAnswer = FleetAnswer.UNKNOWN
    detail: str = ""
    """What exactly happened, in English."""
    failures: int = 0
    """Tries in a row that did not reach the fleet."""
    hops: tuple[str, ...] = ()
    """Who took away the last hop of packets with a TTL of 1, 2, 3; empty where nobody said so."""
    fleet_offset: timedelta | None = None
    """How much later the fleet's clock is than ours."""
    since: datetime | None = None
    """When the present row of failures began."""
    activated: bool = False
    connected: bool = False
    """The agent's session with the fleet."""
    disconnected_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """The unit's own probes that came back in at the other port."""

    first: datetime
    last: datetime
    returned: int
    closed: bool = False
    """A port was closed because of it."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What crossed the unit, by the port where it came in."""

    crossed: Mapping[Port, datetime] = field(default_factory=dict)
    answered: Mapping[Port, datetime] = field(default_factory=dict)
    """When a public address last accepted a connection."""
    tags: Mapping[Port, Tagging] = field(default_factory=dict)
    proxies: Mapping[str, datetime] = field(default_factory=dict)
    """`address:port` of servers that answered as web proxies do, when last."""


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
    equipment: frozenset[Mac] = frozenset()
    """Devices that seem to be routers or access points by what they say: no hosts that could bypass the unit."""
    own: Own | None = None
    """None where it is not known."""
    reach: Reach = Reach()
    loop: Loop | None = None
    lessors: tuple[Lessor, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    shared: tuple[Shared, ...] = ()
    traffic: Traffic = Traffic()
    clock: tuple[timedelta, int] | None = None
    """How much later time servers' clocks are than ours, and how many said so."""

    def hosts_on(self, port: Port) -> tuple[Station, ...]:
        """Stations last heard on this port."""
        return tuple(station for station in self.stations if station.port is port)

    def exchanged(self) -> "Observations":
        """The same picture with the ports' parts exchanged: what the LAN port heard is the router's side."""
        return replace(
            self,
            links=_turned(self.links),
            stations=tuple(_turned_station(station) for station in self.stations),
            routers=tuple(replace(each, station=_turned_station(each.station)) for each in self.routers),
            lessors=tuple(replace(lessor, port=lessor.port.other) for lessor in self.lessors),
            conflicts=tuple(
                replace(each, holders=tuple((mac, port.other) for mac, port in each.holders))
                for each in self.conflicts
            ),
            traffic=replace(
                self.traffic,
                crossed=_turned(self.traffic.crossed),
                answered=_turned(self.traffic.answered),
                tags=_turned(self.traffic.tags),
            ),
        )


def _turned(held: Mapping[Port, _Held]) -> Mapping[Port, _Held]:
    return {port.other: value for port, value in held.items()}


def _turned_station(station: Station) -> Station:
    return replace(station, last=_turned(station.last))
