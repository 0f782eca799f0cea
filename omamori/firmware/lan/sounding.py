"""The active part of the process: sweeps, questions to everybody, loop probes, tries to reach the fleet. All of it seldom and small.

Each look it does what is due and notes what came back on the wire's state. A trouble with one of them stops none of the others.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from ipaddress import IPv4Interface
from secrets import randbits
from typing import Final, Self

from omamori.firmware.host.paths import Paths
from omamori.firmware.lan import asking
from omamori.firmware.lan.bridgeport import PortState, set_state
from omamori.firmware.lan.errors import PortMissing
from omamori.firmware.lan.links import Interface, Links
from omamori.firmware.lan.loops import LoopGuard, ProbePort
from omamori.firmware.lan.observations import FleetAnswer, Own, Reach
from omamori.firmware.lan.outreach import Mode, Outreach, Session, Tried, read_session
from omamori.firmware.lan.picture import Picture
from omamori.firmware.lan.probe import RUN_LENGTH
from omamori.firmware.lan.rounds import Rounds
from omamori.firmware.lan.sighting import Port
from omamori.firmware.lan.sweep import Asker, Sweep, request, targets
from omamori.firmware.lan.watch import Watch

_log = logging.getLogger("omamori.lan")
_CLOSED: Final = "closed, both ports lead to the same switch"
_OPENED: Final = "opened, no probe has come back for a while"


class Sounding:
    """Made with the ports' names; use it in a `with`."""

    def __init__(self, links: Links, names: Mapping[Port, str], bridge: str, paths: Paths) -> None:
        self._links, self._names, self._bridge, self._paths = links, names, bridge, paths
        self._stack = ExitStack()
        self.guard = LoopGuard(os.urandom(RUN_LENGTH))
        self.probes: dict[Port, ProbePort] = {}
        self._closed = False
        self._address: IPv4Interface | None = None
        self._told = self._settings()

    def __enter__(self) -> Self:
        """Raises PortMissing."""
        with ExitStack() as stack:
            self._asker = stack.enter_context(Asker(self._bridge))
            self.probes = {port: stack.enter_context(ProbePort(name)) for port, name in self._names.items()}
            self._outreach = stack.enter_context(Outreach(self._paths.fleet, self._paths.settings))
            self._stack = stack.pop_all()
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._open()
        self._stack.close()

    def begin(self, now: datetime, watches: Mapping[Port, Watch]) -> None:
        """The first look was taken."""
        self._sweep = Sweep(watches[Port.LAN].since)
        touched = max(watch.since for watch in watches.values())
        self._lessors = Rounds(touched, after=asking.DHCP_AFTER, every=asking.DHCP_EVERY)
        self._nodes = Rounds(touched, after=asking.NODES_AFTER, every=asking.NODES_EVERY)
        self._touched, self._disconnected = touched, now

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        for each in (self._sweep, self._lessors, self._nodes, self.guard):
            each.shift(by)
        self._touched += by
        self._disconnected += by

    # --- loops ------------------------------------------------------------------------------------------------

    def hear(self, now: datetime, picture: Picture, *, port: Port) -> None:
        """Probes that came in; at the LAN port they have gone round."""
        for run in self.probes[port].runs():
            if port is Port.LAN:
                self.guard.returned(run, now)
        self.mind_loop(now, picture)

    def probe(self, now: datetime, picture: Picture, watches: Mapping[Port, Watch]) -> None:
        """Send one probe out of the WAN port. Raises OSError, PortMissing."""
        self.mind_loop(now, picture)
        wan = watches[Port.WAN].interface
        if wan.up and watches[Port.LAN].interface.up:
            self.probes[Port.WAN].send(wan.mac, self.guard.run)

    def mind_loop(self, now: datetime, picture: Picture) -> None:
        """Close or open the LAN port as the probes say; a cable put back makes the kernel forward again, so close it again."""
        closes = self.guard.closes(now)
        if closes != self._closed:
            _log.warning("%s: %s", self._names[Port.LAN], _CLOSED if closes else _OPENED)
        if closes or self._closed:
            self._closed = not self._set(PortState.DISABLED if closes else PortState.FORWARDING) or closes
        picture.wire.loop = self.guard.loop(now)

    def _open(self) -> None:
        self._set(PortState.FORWARDING)

    def _set(self, state: PortState) -> bool:
        """Whether the LAN port is in this state now."""
        try:
            port = self._links.interface(self._names[Port.LAN])
            if port.up:
                set_state(port.index, state)
        except (OSError, PortMissing) as error:
            _log.warning("%s cannot be made %s: %s", self._names[Port.LAN], state.name.lower(), error)
            return False
        return True

    # --- questions --------------------------------------------------------------------------------------------

    def ask(self, now: datetime, picture: Picture, watches: Mapping[Port, Watch], *, seconds: float) -> None:
        """Go on with the sweep and begin what is due. Raises OSError, PortMissing."""
        if self._closed:
            return
        bridge = self._links.interface(self._bridge)
        own = self._links.address(bridge)
        lan = watches[Port.LAN]
        if lan.interface.up and self._sweep.due(now, link_since=lan.since):
            self._sweep.begin(targets(own, picture.inventory.newest_addresses()))
        for target in self._sweep.take(seconds):
            self._asker.ask(request(bridge.mac, own, target))
        self._ask_everybody(now, bridge, touched=max(watch.since for watch in watches.values()))

    def _ask_everybody(self, now: datetime, bridge: Interface, *, touched: datetime) -> None:
        if self._lessors.due(now, link_since=touched):
            self._asker.ask(asking.discover(bridge.mac, randbits(32)))
        if self._nodes.due(now, link_since=touched):
            local = [address for address in self._links.addresses6(bridge) if address.is_link_local]
            for address in local[:1]:
                self._asker.ask(asking.all_nodes(bridge.mac, address, randbits(16)))

    # --- the fleet --------------------------------------------------------------------------------------------

    def reach(self, now: datetime, picture: Picture, watches: Mapping[Port, Watch]) -> None:
        """Where the unit stands and how its tries ended. Raises OSError, PortMissing."""
        own = self._place()
        picture.wire.own_place = own
        session = read_session(self._paths.agent_status, now)
        touched = max(watch.since for watch in watches.values())
        told = self._settings()
        if (touched, told) != (self._touched, self._told) or (own.address is None) != (self._address is None):
            self._touched, self._told = touched, told
            picture.wire.reach = Reach()
            self._outreach.anew()
        self._address = own.address
        placed = own.address is not None or own.reaches_ipv6
        self._outreach.turn_to(Mode.REST if not placed else Mode.TRACE if session.connected else Mode.TRY)
        for tried in self._outreach.results():
            picture.wire.reach = after(picture.wire.reach, tried, now)
        self._note_session(now, picture, session)

    def _note_session(self, now: datetime, picture: Picture, session: Session) -> None:
        if session.connected or not session.activated:
            self._disconnected = now
        picture.wire.reach = with_session(picture.wire.reach, session, away_since=self._disconnected)

    def _settings(self) -> tuple[int, int] | None:
        """Which file of settings lies there: they are replaced whole when something is set on the unit's page."""
        try:
            found = self._paths.settings.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _place(self) -> Own:
        bridge = self._links.interface(self._bridge)
        gateways = self._links.gateways(bridge)
        beyond = any(not address.is_link_local for address in self._links.addresses6(bridge))
        return Own(self._links.address(bridge), beyond, gateways[0] if gateways else "")


def after(reach: Reach, tried: Tried, now: datetime) -> Reach:
    """What is known once a try has ended."""
    failed = tried.answer is not FleetAnswer.REACHED
    offset = tried.fleet_time.timestamp() - tried.ended if tried.fleet_time else None
    return Reach(
        fleet=tried.answer,
        detail=tried.detail,
        failures=reach.failures + 1 if failed else 0,
        hops=tried.hops,
        fleet_offset=timedelta(seconds=offset) if offset is not None else None,
        since=(reach.since or now) if failed else None,
    )


def with_session(reach: Reach, session: Session, *, away_since: datetime) -> Reach:
    """The agent's session beside what the tries have shown; while it lasts it is proof enough."""
    return Reach(
        fleet=FleetAnswer.REACHED if session.connected else reach.fleet,
        detail="" if session.connected else reach.detail,
        failures=0 if session.connected else reach.failures,
        hops=reach.hops,
        fleet_offset=reach.fleet_offset,
        since=None if session.connected else reach.since,
        activated=session.activated,
        connected=session.connected,
        disconnected_since=away_since if session.activated and not session.connected else None,
    )
