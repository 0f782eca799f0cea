"""What the two wires have shown since their links came up. Pure state: sightings in, `Observations` out.

A link that goes down takes along what was heard on its port: after a cable was moved, only new evidence counts.
Everything is bounded, and forgotten when it is too old to speak of the present.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Final

from omamori.firmware.lan.arp import Arp
from omamori.firmware.lan.claims import ClaimLedger
from omamori.firmware.lan.client import Client
from omamori.firmware.lan.dhcp import Dhcp, MessageType
from omamori.firmware.lan.hint import Hint
from omamori.firmware.lan.internet import is_public
from omamori.firmware.lan.leases import Leases
from omamori.firmware.lan.ndp import Neighbour
from omamori.firmware.lan.ntp import TimeSignal
from omamori.firmware.lan.observations import (
    Dialling,
    Link,
    Loop,
    Observations,
    Own,
    Reach,
    Remembered,
    Router,
    Station,
    Traffic,
)
from omamori.firmware.lan.passage import Passage, unasked
from omamori.firmware.lan.pppoe import FROM_CLIENT, FROM_CONCENTRATOR, Code, Pppoe
from omamori.firmware.lan.segment import Opening
from omamori.firmware.lan.sighting import Learned, Port, Sighting
from omamori.firmware.lan.timing import Timing
from omamori.firmware.lan.translation import Shared, Translations
from omamori.protocol.ids import Mac

MOST_STATIONS: Final = 2_000
STATION_KEEP: Final = timedelta(hours=72)
"""A station silent for longer is no evidence; hosts may sleep over a weekend."""
DIALLING_KEEP: Final = timedelta(seconds=120)
"""A dialled line is never silent for longer: its keep-alive comes every minute at most."""
_FORGOTTEN_AT_ONCE: Final = 50
_MOST_GATEWAYS: Final = 8
_AWAKE_STEP: Final = timedelta(seconds=10)
_AWAKE_KEPT: Final = 12
_ROUTER_SERVICES: Final = frozenset({"InternetGatewayDevice", "WANDevice", "WANConnectionDevice"})
_GIVEN = frozenset({MessageType.OFFER, MessageType.ACK})


@dataclass(slots=True)
class _Trace:
    first: datetime
    last: dict[Port, datetime] = field(default_factory=dict)
    is_client: bool = False
    dials: bool = False
    """It sent PPPoE frames."""
    claims: dict[str, None] = field(default_factory=dict)
    gives_leases: bool = False
    routes_itself: bool = False
    """Gave a lease that names its own address as gateway, or no gateway at all."""
    advertises: bool = False
    """Called itself a router by IPv6."""
    global6: bool = False
    untagged: bool = False
    """It was heard without a VLAN tag."""
    awake: list[datetime] = field(default_factory=list)


class Wire:
    """Notes facts and answers with observations."""

    def __init__(self, *, own: frozenset[Mac], links: Mapping[Port, Link]) -> None:
        self.own, self._links = own, dict(links)
        self._traces: dict[Mac, _Trace] = {}
        self._gateways: dict[str, None] = {}
        self._dialling: Dialling | None = None
        self._leases, self._claims = Leases(), ClaimLedger(own)
        self._passage, self._translations, self._timing = Passage(), Translations(), Timing()
        self.own_place: Own | None = None
        self.reach = Reach()
        self.loop: Loop | None = None

    def note(self, sighting: Sighting) -> None:
        """Take one fact in; the unit's own frames are skipped."""
        if sighting.source in self.own:
            return
        trace = self._heard(sighting)
        self._passage.note(sighting, to_us=sighting.target in self.own)
        match sighting.said:
            case Arp() as arp:
                self._arp(trace, arp)
                self._claims.note(sighting, arp)
            case Dhcp() as message:
                self._dhcp(trace, message)
                self._leases.note(sighting, message)
            case Neighbour() as neighbour:
                self._neighbour(trace, neighbour)
            case Opening() as opening:
                self._translations.note(sighting, opening, holds=str(opening.source) in trace.claims)
            case Client() as client:
                self._translations.said(sighting, client, holds=str(client.source) in trace.claims)
            case Hint(services=services) if _ROUTER_SERVICES & set(services):
                self._translations.called_router(sighting.source)
            case TimeSignal() as signal:
                self._timing.note(sighting.time, signal)
            case Pppoe() as frame:
                trace.dials = True
                self._pppoe(sighting, frame)
            case _:
                pass

    def gateway(self, address: str) -> None:
        """The unit itself was given this default gateway."""
        self._gateways.pop(address, None)
        self._gateways[address] = None
        if len(self._gateways) > _MOST_GATEWAYS:
            del self._gateways[next(iter(self._gateways))]

    def link(self, port: Port, link: Link) -> None:
        """The present state of a port; a new `since` means that the cable was touched."""
        touched = link.since != self._links[port].since
        self._links[port] = link
        if touched:
            self._forget(port)

    def observations(
        self, now: datetime, *, remembered: Remembered, equipment: frozenset[Mac] = frozenset()
    ) -> Observations:
        """The picture at `now`."""
        self._expire(now)
        routers = {mac: trace for mac, trace in self._traces.items() if self._reasons(mac, trace)}
        ends = self._ends()
        return Observations(
            now=now,
            links=dict(self._links),
            stations=tuple(
                _station(m, t) for m, t in self._traces.items() if m not in routers and m not in ends
            ),
            routers=tuple(self._router(mac, trace) for mac, trace in routers.items()),
            dialling=self._dialling,
            remembered=remembered,
            equipment=equipment,
            own=self.own_place,
            reach=self.reach,
            loop=self.loop,
            lessors=self._leases.lessors(now),
            conflicts=self._claims.conflicts(now, own_address=self._own_address()),
            shared=self._translations.shared(now),
            traffic=Traffic(
                dict(self._passage.crossed),
                dict(self._passage.answered),
                self._passage.tagging(),
                dict(self._passage.proxies),
            ),
            clock=self._timing.offset(now),
        )

    def shared(self, now: datetime) -> tuple[Shared, ...]:
        """Devices that speak for several."""
        return self._translations.shared(now)

    def no_hosts(self) -> frozenset[Mac]:
        """Addresses that are not hosts: the unit's own, routers, and the ends of a dialled line."""
        routers = (mac for mac, trace in self._traces.items() if self._reasons(mac, trace))
        return self.own | frozenset(routers) | self._ends()

    def shift(self, by: timedelta) -> None:
        """The clock was set: everything here is of this run, so all of it moves."""
        for trace in self._traces.values():
            trace.first += by
            trace.awake = [time + by for time in trace.awake]
            trace.last = {port: time + by for port, time in trace.last.items()}
        self._links = {port: replace(link, since=link.since + by) for port, link in self._links.items()}
        if self._dialling:
            self._dialling = replace(
                self._dialling, first=self._dialling.first + by, last=self._dialling.last + by
            )
        if self.loop:
            self.loop = replace(self.loop, first=self.loop.first + by, last=self.loop.last + by)
        for ledger in (self._leases, self._claims, self._passage, self._translations, self._timing):
            ledger.shift(by)

    # --- facts ------------------------------------------------------------------------------------------------

    def _heard(self, sighting: Sighting) -> _Trace:
        trace = self._traces.get(sighting.source)
        if trace is None:
            trace = self._traces[sighting.source] = _Trace(sighting.time)
            self._bound()
        trace.first = min(trace.first, sighting.time)
        trace.last[sighting.port] = max(sighting.time, trace.last.get(sighting.port, sighting.time))
        trace.untagged |= not sighting.vlans and not isinstance(sighting.said, Learned)
        if unasked(sighting) and (not trace.awake or sighting.time - trace.awake[-1] >= _AWAKE_STEP):
            trace.awake = [*trace.awake[1 - _AWAKE_KEPT :], sighting.time]
        return trace

    def _arp(self, trace: _Trace, arp: Arp) -> None:
        claimed = arp.claims
        room = len(trace.claims) < _MOST_GATEWAYS
        if claimed is not None and (room or str(claimed) in self._gateways):
            trace.claims[str(claimed)] = None
        trace.is_client |= arp.operation == 1 and arp.target_address != claimed

    def _dhcp(self, trace: _Trace, message: Dhcp) -> None:
        if not message.from_server:
            trace.is_client |= message.relay is None
            return
        if message.message not in _GIVEN or message.relay is not None:
            return
        for router in message.routers[:2]:
            self.gateway(str(router))
        trace.gives_leases = True
        trace.routes_itself |= not message.routers or message.server in message.routers
        if message.server in message.routers:
            trace.claims[str(message.server)] = None

    def _neighbour(self, trace: _Trace, neighbour: Neighbour) -> None:
        trace.advertises |= neighbour.routes
        claimed = neighbour.claims
        if claimed is not None and not claimed.is_link_local:
            trace.global6 = True
            trace.is_client |= neighbour.asks not in {None, claimed}

    def _pppoe(self, sighting: Sighting, frame: Pppoe) -> None:
        old = self._dialling or Dialling(sighting.time, sighting.time, 0, 0, frozenset())
        clients, concentrators = dict(old.clients), dict(old.concentrators)
        if frame.code in FROM_CLIENT and len(clients) < _MOST_GATEWAYS:
            clients[sighting.source] = sighting.port
        if frame.code in FROM_CONCENTRATOR and len(concentrators) < _MOST_GATEWAYS:
            concentrators[sighting.source] = sighting.port
        in_session = frame.code is Code.SESSION
        self._dialling = Dialling(
            first=old.first,
            last=max(old.last, sighting.time),
            discovery=old.discovery + (not in_session),
            session=old.session + in_session,
            ports=old.ports | {sighting.port},
            clients=clients,
            concentrators=concentrators,
            name=frame.concentrator or old.name,
        )

    # --- upkeep -----------------------------------------------------------------------------------------------

    def _forget(self, port: Port) -> None:
        for mac, trace in list(self._traces.items()):
            trace.last.pop(port, None)
            if not trace.last:
                del self._traces[mac]
        self._dialling = None
        for ledger in (self._leases, self._claims, self._passage, self._translations):
            ledger.forget(port)

    def _expire(self, now: datetime) -> None:
        for mac, trace in list(self._traces.items()):
            if now - max(trace.last.values()) > STATION_KEEP:
                del self._traces[mac]
        if self._dialling and now - self._dialling.last > DIALLING_KEEP:
            self._dialling = None

    def _bound(self) -> None:
        """Forget the longest silent stations, a few at once, but never the newest one or a router."""
        if len(self._traces) <= MOST_STATIONS:
            return
        *others, _ = self._traces
        plain = [mac for mac in others if not self._reasons(mac, self._traces[mac])] or others
        plain.sort(key=lambda mac: max(self._traces[mac].last.values()))
        for mac in plain[:_FORGOTTEN_AT_ONCE]:
            del self._traces[mac]

    # --- reading ----------------------------------------------------------------------------------------------

    def _reasons(self, mac: Mac, trace: _Trace) -> tuple[str, ...]:
        if not (trace.claims or trace.gives_leases or trace.advertises or mac in self._passage.forwarders):
            return ()
        named = {
            "gateway": any(address in self._gateways for address in trace.claims),
            "dhcp": trace.gives_leases and trace.routes_itself,
            "ra": trace.advertises,
            "forwards": mac in self._passage.forwarders and not _holds_public(trace),
        }
        return tuple(reason for reason, holds in named.items() if holds)

    def _router(self, mac: Mac, trace: _Trace) -> Router:
        held = tuple(address for address in trace.claims if address in self._gateways)
        return Router(_station(mac, trace), held, self._reasons(mac, trace))

    def _own_address(self) -> str:
        place = self.own_place
        return str(place.address.ip) if place and place.address else ""

    def _ends(self) -> frozenset[Mac]:
        """Both ends of a dialled line, unless they speak IP as well (a PC that dials through its router)."""
        return frozenset(mac for mac, trace in self._traces.items() if trace.dials and not trace.claims)


def _holds_public(trace: _Trace) -> bool:
    """A server with a public address of its own forwards nothing by speaking with it."""
    return any(is_public(IPv4Address(claim)) for claim in trace.claims)


def _station(mac: Mac, trace: _Trace) -> Station:
    return Station(
        mac,
        trace.first,
        dict(trace.last),
        is_client=trace.is_client,
        speaks_ip=bool(trace.claims) or trace.global6,
        addresses=tuple(trace.claims),
        awake=tuple(trace.awake),
        untagged=trace.untagged,
    )
