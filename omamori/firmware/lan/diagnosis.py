"""Is the unit wired right: observations in, findings out, root cause first. Pure: the same picture, the same verdict.

    PPPOE_UPSTREAM    PPPoE passes through the unit, and nobody behind it uses a gateway on the router side: the unit stands
                      in front of the router that dials. A PC that dials through its router (pass-through) is no fault.
    PORTS_SWAPPED     the gateway is heard on the LAN port and not on the WAN port. A DHCP server behind the unit whose leases
                      name a gateway on the router side (a Windows server, a relay) is no fault.
    NO_HOSTS_BEHIND   nothing but routers is heard on the LAN port. Not told while one of the two above explains it.
    OK                hosts are behind and the gateway is in front, or nothing speaks against it.

Confidence grows with evidence and with time. There is no memory here: a finding clears as soon as the picture does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from omamori.firmware.lan.observations import Dialling, Observations, Router, Station
from omamori.firmware.lan.sighting import Port
from omamori.protocol.messages import Finding
from omamori.protocol.vocabulary import WiringCode

_MOST_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the diagnosis waits before silence means something."""

    quiet: timedelta = timedelta(seconds=20)
    """After link up, where no host was ever known: a hub with anything on it speaks sooner."""
    returning: timedelta = timedelta(seconds=90)
    """After link up, where hosts are known: after a power cut they take longer than the unit."""
    asleep: timedelta = timedelta(hours=72)
    """Without a touched cable: known hosts may be off over a long weekend."""
    sure: timedelta = timedelta(minutes=10)
    """Silence for this long is as sure as silence gets."""
    moved: timedelta = timedelta(seconds=10)
    """A station heard on both ports within this time has not moved: the ports meet somewhere outside."""


PATIENCE: Final = Patience()


def diagnose(seen: Observations, *, patience: Patience = PATIENCE) -> tuple[Finding, ...]:
    """Findings, root cause first; never empty."""
    causes = [finding for finding in (_pppoe_upstream(seen), _ports_swapped(seen, patience)) if finding]
    if not causes:
        empty = _no_hosts(seen, patience)
        causes = [empty] if empty else []
    return tuple(causes) or (_ok(seen),)


# --- in front of the router ---------------------------------------------------------------------------------------


def _pppoe_upstream(seen: Observations) -> Finding | None:
    dialling = seen.dialling
    if dialling is None or _passed_through(seen):
        return None
    confidence = _dialling_confidence(seen, dialling)
    if confidence == 0:
        return None
    return Finding(
        WiringCode.PPPOE_UPSTREAM, confidence, dialling.first, tuple(_dialling_evidence(seen, dialling))
    )


def _passed_through(seen: Observations) -> bool:
    """A host behind speaks IP and the gateway is in front: whoever dials does so through that router."""
    behind = any(station.speaks_ip for station in seen.hosts_on(Port.LAN))
    return behind and any(router.station.port is Port.WAN for router in seen.routers)


def _dialling_confidence(seen: Observations, dialling: Dialling) -> float:
    if len(dialling.ports) == 2:
        return 0.95
    if dialling.concentrators or dialling.session:
        return 0.9
    alone = not seen.routers and dialling.discovery >= 2
    if not alone:
        return 0.0
    return 0.7 if Port.LAN in dialling.ports else 0.5


def _dialling_evidence(seen: Observations, dialling: Dialling) -> Iterable[str]:
    ports = " and ".join(sorted(seen.links[port].name for port in dialling.ports))
    yield (
        f"{dialling.discovery} PPPoE discovery and at least {dialling.session} session frames arrived on {ports}, "
        f"the last at {_clock(dialling.last)}"
    )
    for mac, port in dialling.clients.items():
        yield f"{mac} dials from the {seen.links[port].name} side"
    for mac, port in dialling.concentrators.items():
        called = f" ({dialling.name})" if dialling.name else ""
        yield f"{mac}{called} answers as the provider's end on the {seen.links[port].name} side"
    if dialling.clients and not dialling.concentrators and not dialling.session:
        yield "nobody has answered the dialling yet"


# --- the wrong way round ------------------------------------------------------------------------------------------


def _ports_swapped(seen: Observations, patience: Patience) -> Finding | None:
    inside = [router for router in seen.routers if router.station.port is Port.LAN]
    if not inside or _gateway_in_front(seen, patience) or not seen.links[Port.WAN].up:
        return None
    clients = [station for station in seen.hosts_on(Port.WAN) if station.is_client or station.speaks_ip]
    by_gateway = any("gateway" in router.reasons for router in inside)
    confidence = (0.95 if clients else 0.6) if by_gateway else (0.8 if clients else 0.5)
    since = max(router.station.first for router in inside)
    evidence = (*(_router_evidence(seen, router) for router in inside), _clients_evidence(seen, clients))
    return Finding(WiringCode.PORTS_SWAPPED, confidence, since, evidence)


def _gateway_in_front(seen: Observations, patience: Patience) -> bool:
    """A router is on the router side, or one on the LAN side is heard on both at once (the ports meet outside)."""
    for router in seen.routers:
        heard = router.station.last
        if router.station.port is Port.WAN:
            return True
        if Port.WAN in heard and heard[Port.LAN] - heard[Port.WAN] < patience.moved:
            return True
    return False


def _router_evidence(seen: Observations, router: Router) -> str:
    port = seen.links[router.station.port].name
    what = " and ".join(
        {"gateway": f"answers as gateway {', '.join(router.addresses)}", "dhcp": "gives leases (DHCP)"}[
            reason
        ]
        for reason in router.reasons
    )
    return f"{router.station.mac} {what} on the {port} side, last at {_clock(router.station.last[router.station.port])}"


def _clients_evidence(seen: Observations, clients: list[Station]) -> str:
    port = seen.links[Port.WAN].name
    return f"{len(clients)} hosts ask on the {port} side{_named(clients)}"


# --- nobody there -------------------------------------------------------------------------------------------------


def _no_hosts(seen: Observations, patience: Patience) -> Finding | None:
    link = seen.links[Port.LAN]
    if seen.hosts_on(Port.LAN):
        return None
    silent = seen.now - link.since
    wait = _wait(seen, patience)
    if silent < wait:
        return None
    confidence = 0.5 + 0.4 * min(1.0, (silent - wait) / patience.sure)
    if not link.up:
        confidence = 0.9
    return Finding(
        WiringCode.NO_HOSTS_BEHIND, round(confidence, 2), link.since, tuple(_silence_evidence(seen))
    )


def _wait(seen: Observations, patience: Patience) -> timedelta:
    """How long the LAN port may be silent, from its link on."""
    if not seen.remembered.count or seen.remembered.last is None or not seen.links[Port.LAN].up:
        return patience.quiet
    touched = seen.links[Port.LAN].since > seen.remembered.last
    return patience.returning if touched else patience.asleep


def _silence_evidence(seen: Observations) -> Iterable[str]:
    link = seen.links[Port.LAN]
    state = "has had link" if link.up else "has had no link"
    yield f"{link.name} {state} for {_long(seen.now - link.since)} and no host was heard on it"
    yield f"{link.name} received {link.received} frames since boot"
    elsewhere = seen.hosts_on(Port.WAN)
    yield f"{len(elsewhere)} hosts are heard on the {seen.links[Port.WAN].name} side{_named(elsewhere)}"
    for router in seen.routers:
        yield _router_evidence(seen, router)
    if seen.remembered.count and seen.remembered.last:
        yield f"{seen.remembered.count} hosts were known here, the last seen at {_clock(seen.remembered.last)}"


# --- all well -----------------------------------------------------------------------------------------------------


def _ok(seen: Observations) -> Finding:
    behind, links = seen.hosts_on(Port.LAN), seen.links.values()
    gateway = [router for router in seen.routers if router.station.port is Port.WAN]
    confidence = 0.3 + 0.4 * bool(behind) + 0.25 * bool(gateway)
    evidence = [f"{len(behind)} hosts are heard on the {seen.links[Port.LAN].name} side{_named(behind)}"]
    evidence += [_router_evidence(seen, router) for router in gateway]
    return Finding(WiringCode.OK, round(confidence, 2), max(link.since for link in links), tuple(evidence))


# --- words --------------------------------------------------------------------------------------------------------


def _named(stations: Iterable[Station]) -> str:
    macs = sorted(station.mac for station in stations)
    shown = ", ".join(macs[:_MOST_NAMED]) + (", ..." if len(macs) > _MOST_NAMED else "")
    return f" ({shown})" if macs else ""


def _clock(time: datetime) -> str:
    return time.strftime("%H:%M:%S UTC")


def _long(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
