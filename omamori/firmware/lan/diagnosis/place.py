"""Rules about the unit's place: in front of the router, the wrong way round, with nobody behind, or passed by.

PPPOE_UPSTREAM    PPPoE passes through the unit, and nobody behind it uses a gateway on the router side: the unit stands
                  in front of the router that dials. A PC that dials through its router (pass-through) is no fault.
PORTS_SWAPPED     the gateway is heard on the LAN port and not on the WAN port. A DHCP server behind the unit whose leases
                  name a gateway on the router side (a Windows server, a relay) is no fault.
NO_HOSTS_BEHIND   nothing but routers is heard on the LAN port.
HOSTS_BYPASS      clients speak on the router's side, beside the router.
NAT_BEHIND        a device behind speaks for several.
SILENT            hosts are awake behind the unit, and none of their packets crosses it.
"""

from collections.abc import Iterable
from datetime import timedelta

from omamori.firmware.lan.diagnosis.patience import Patience
from omamori.firmware.lan.diagnosis.wording import clock, long, named, router_fact
from omamori.firmware.lan.observations import Dialling, Observations, Station
from omamori.firmware.lan.sighting import Port
from omamori.protocol.messages import Finding
from omamori.protocol.vocabulary import WiringCode

_GATEWAYS = frozenset({"gateway", "forwards"})
"""What makes a router certain to be the way out."""


# --- in front of the router ---------------------------------------------------------------------------------------


def pppoe_upstream(seen: Observations, _patience: Patience) -> Finding | None:
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
    """A host behind speaks IP and the gateway is in front: whoever dials does so through that router.

    An IPv6 router in front proves nothing: providers advertise themselves on the line that is dialled over.
    """
    behind = any(station.speaks_ip for station in seen.hosts_on(Port.LAN))
    in_front = (router for router in seen.routers if router.station.port is Port.WAN)
    return behind and any(set(router.reasons) - {"ra"} for router in in_front)


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
        f"the last at {clock(dialling.last)}"
    )
    for mac, port in dialling.clients.items():
        yield f"{mac} dials from the {seen.links[port].name} side"
    for mac, port in dialling.concentrators.items():
        called = f" ({dialling.name})" if dialling.name else ""
        yield f"{mac}{called} answers as the provider's end on the {seen.links[port].name} side"
    if dialling.clients and not dialling.concentrators and not dialling.session:
        yield "nobody has answered the dialling yet"


# --- the wrong way round ------------------------------------------------------------------------------------------


def swapped(seen: Observations, patience: Patience) -> Finding | None:
    inside = [router for router in seen.routers if router.station.port is Port.LAN]
    heard_out = seen.now - max(link.since for link in seen.links.values()) >= patience.second
    if not inside or not heard_out or _gateway_in_front(seen, patience):
        return None
    clients = [station for station in seen.hosts_on(Port.WAN) if station.is_client or station.speaks_ip]
    by_gateway = any(_GATEWAYS & set(router.reasons) for router in inside)
    confidence = (0.95 if clients else 0.6) if by_gateway else (0.8 if clients else 0.5)
    since = max(router.station.first for router in inside)
    evidence = (*(router_fact(seen, router) for router in inside), _clients_evidence(seen, clients))
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


def _clients_evidence(seen: Observations, clients: list[Station]) -> str:
    port = seen.links[Port.WAN].name
    return f"{len(clients)} hosts ask on the {port} side{named(clients)}"


# --- nobody there -------------------------------------------------------------------------------------------------


def no_hosts(seen: Observations, patience: Patience) -> Finding | None:
    link = seen.links[Port.LAN]
    if seen.hosts_on(Port.LAN) or not link.up:
        return None
    silent = seen.now - link.since
    wait = _wait(seen, patience)
    if silent < wait:
        return None
    confidence = 0.5 + 0.4 * min(1.0, (silent - wait) / patience.sure)
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
    yield f"{link.name} has had link for {long(seen.now - link.since)} and no host was heard on it"
    yield f"{link.name} received {link.received} frames since boot"
    elsewhere = seen.hosts_on(Port.WAN)
    yield f"{len(elsewhere)} hosts are heard on the {seen.links[Port.WAN].name} side{named(elsewhere)}"
    for router in seen.routers:
        yield router_fact(seen, router)
    if seen.remembered.count and seen.remembered.last:
        yield f"{seen.remembered.count} hosts were known here, the last seen at {clock(seen.remembered.last)}"


# --- passed by ----------------------------------------------------------------------------------------------------


def bypass(seen: Observations, patience: Patience) -> Finding | None:
    """Clients on the router's side. Where no router is known there, a single one may be the router itself.

    Devices of a VLAN that passes by are somebody else's business, and an access point is no host.
    """
    sides = {router.station.port for router in seen.routers}
    routers = Port.WAN in sides
    if sides == {Port.LAN}:  # the ports are swapped, or are about to be told as such
        return None
    astray = [
        station
        for station in seen.hosts_on(Port.WAN)
        if station.is_client and station.speaks_ip and station.untagged and station.mac not in seen.equipment
        if seen.now - station.last[Port.WAN] <= patience.astray
    ]
    if not astray or (len(astray) == 1 and not routers):
        return None
    behind, name = seen.hosts_on(Port.LAN), seen.links[Port.WAN].name
    facts = (
        f"{len(astray)} hosts speak on the {name} side, beside the router{named(astray)}",
        f"{len(behind)} hosts are behind the unit{named(behind)}",
    )
    since = min(station.first for station in astray)
    return Finding(
        WiringCode.HOSTS_BYPASS, 0.9 if routers and len(astray) > 1 else 0.8 if routers else 0.6, since, facts
    )


def hidden_hosts(seen: Observations, _patience: Patience) -> Finding | None:
    """A device behind the unit that speaks for several."""
    behind = {station.mac for station in seen.hosts_on(Port.LAN)}
    shared = [each for each in seen.shared if each.mac in behind]
    if not shared:
        return None
    facts = tuple(
        f"{each.mac} ({each.address}) speaks for several devices: {', '.join(each.reasons)}"
        for each in shared
    )
    best = max(shared, key=lambda each: each.score)
    return Finding(WiringCode.NAT_BEHIND, best.score, min(each.since for each in shared), facts)


def silent(seen: Observations, patience: Patience) -> Finding | None:
    """At least two hosts have been awake behind for a while, and nothing of theirs has come by since."""
    crossed = seen.traffic.crossed.get(Port.LAN)
    since = max(link.since for link in seen.links.values())
    quiet = seen.now - max(filter(None, (crossed, since)))
    if quiet < patience.crossing or not all(link.up for link in seen.links.values()):
        return None
    awake = [station for station in seen.hosts_on(Port.LAN) if _awake(seen, station, patience.crossing)]
    if len(awake) < 2:
        return None
    facts = (
        f"{len(awake)} hosts behind spoke again and again in the last {long(patience.crossing)}{named(awake)}",
        f"no packet of theirs has crossed the unit for {long(quiet)}",
    )
    return Finding(WiringCode.SILENT, 0.7, seen.now - quiet, facts)


def _awake(seen: Observations, station: Station, span: timedelta) -> bool:
    """It spoke by itself at five times or more, spread over half the span: an idle host does not."""
    times = [time for time in station.awake if seen.now - time <= span]
    return len(times) >= 5 and times[-1] - times[0] >= span / 2


# --- all well -----------------------------------------------------------------------------------------------------


def well(seen: Observations) -> Finding:
    behind, links = seen.hosts_on(Port.LAN), seen.links.values()
    gateway = [router for router in seen.routers if router.station.port is Port.WAN]
    confidence = 0.3 + 0.4 * bool(behind) + 0.25 * bool(gateway)
    evidence = [f"{len(behind)} hosts are heard on the {seen.links[Port.LAN].name} side{named(behind)}"]
    evidence += [router_fact(seen, router) for router in gateway]
    return Finding(WiringCode.OK, round(confidence, 2), max(link.since for link in links), tuple(evidence))
