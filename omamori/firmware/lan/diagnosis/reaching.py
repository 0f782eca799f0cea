"""Rules about what lies beyond the router: the internet, the fleet, a second router, and the time of day."""

from datetime import datetime, timedelta
from ipaddress import IPv4Address

from omamori.firmware.lan.diagnosis.patience import Patience
from omamori.firmware.lan.diagnosis.wording import clock, long
from omamori.firmware.lan.internet import is_private, is_public
from omamori.firmware.lan.observations import FleetAnswer, Observations
from omamori.firmware.lan.sighting import Port
from omamori.protocol.messages import Finding
from omamori.protocol.vocabulary import WiringCode

_UNTRIED = frozenset({FleetAnswer.UNKNOWN, FleetAnswer.REACHED})
_IN_BETWEEN = frozenset({FleetAnswer.INTERCEPTED})
_NOWHERE = frozenset({FleetAnswer.SILENT, FleetAnswer.NAMES_SILENT, FleetAnswer.NO_NAME, FleetAnswer.REFUSED})


def clock_wrong(seen: Observations, patience: Patience) -> Finding | None:
    """Time servers or the fleet say that it is another time."""
    facts, sources = [], 0
    if seen.clock and abs(seen.clock[0]) > patience.clock:
        sources += seen.clock[1]
        facts.append(f"{seen.clock[1]} time servers say it is {_offset(seen.clock[0])}")
    fleet = seen.reach.fleet_offset
    if fleet is not None and abs(fleet) > patience.clock:
        sources += 2
        facts.append(f"the fleet says it is {_offset(fleet)}")
    if seen.reach.fleet is FleetAnswer.UNTIMELY:
        sources += 2
        facts.append(seen.reach.detail)
    if not facts:
        return None
    facts.append(f"the unit's clock shows {seen.now:%Y-%m-%d} {clock(seen.now)}")
    return Finding(WiringCode.CLOCK_WRONG, 0.7 if sources == 1 else 0.95, _since(seen), tuple(facts))


def _since(seen: Observations) -> datetime:
    """For what has been so at least since the cables were touched."""
    return max(link.since for link in seen.links.values())


def _offset(by: timedelta) -> str:
    seconds = abs(int(by.total_seconds()))
    text = f"{seconds // 86_400} days" if seconds >= 172_800 else f"{seconds // 60} min"
    return f"{text} {'later' if by > timedelta(0) else 'earlier'} than the unit's clock says"


def captive(seen: Observations, patience: Patience) -> Finding | None:
    """Somebody else answers in the fleet's place, or hosts get out by a proxy and the unit does not."""
    if seen.reach.fleet not in _IN_BETWEEN:
        return _proxy(seen, patience)
    return Finding(
        WiringCode.CAPTIVE_OR_PROXY,
        0.9 if seen.reach.failures > 1 else 0.8,
        seen.reach.since or seen.now,
        (seen.reach.detail,),
    )


def _proxy(seen: Observations, patience: Patience) -> Finding | None:
    """Our own tries get nowhere, no server of the internet answers a host, and a proxy does."""
    fresh = [server for server, time in seen.traffic.proxies.items() if seen.now - time <= patience.answered]
    if (
        not fresh
        or seen.reach.fleet not in _NOWHERE
        or seen.reach.failures < 2
        or internet_fact(seen, patience)
    ):
        return None
    facts = (seen.reach.detail, f"hosts get answers from {', '.join(fresh)}, as from a proxy")
    return Finding(WiringCode.CAPTIVE_OR_PROXY, 0.7, seen.reach.since or seen.now, facts)


def no_internet(seen: Observations, patience: Patience) -> Finding | None:
    """The unit's own tries fail, and nothing shows that anybody else's succeed."""
    reach = seen.reach
    if reach.fleet in _UNTRIED | _IN_BETWEEN | {FleetAnswer.UNTIMELY} or reach.failures < 2:
        return None
    if not seen.links[Port.WAN].up or internet_fact(seen, patience):
        return None
    facts = (reach.detail, *_how_far(seen))
    return Finding(WiringCode.NO_INTERNET, 0.9 if reach.failures > 2 else 0.8, reach.since or seen.now, facts)


def _how_far(seen: Observations) -> list[str]:
    routers = [router for router in seen.routers if router.station.port is Port.WAN]
    told = [
        f"{each.station.mac} was heard as router, last at {clock(max(each.station.last.values()))}"
        for each in routers
    ]
    hops = [hop for hop in seen.reach.hops if hop]
    told.append(
        f"packets get as far as {hops[-1]}" if hops else "no router on the way says that packets pass"
    )
    return told


def internet_fact(seen: Observations, patience: Patience) -> str:
    """Proof that the internet is there, in words; empty without any."""
    answered = seen.traffic.answered.get(Port.WAN)
    if answered is not None and seen.now - answered <= patience.answered:
        return f"a server of the internet answered a host {long(seen.now - answered)} ago"
    if seen.reach.connected:
        return "the unit is connected to its fleet"
    if seen.reach.fleet in {FleetAnswer.REACHED, FleetAnswer.NO_NAME, FleetAnswer.REFUSED}:
        return f"the fleet's address: {seen.reach.detail}" if seen.reach.detail else "the fleet answers"
    public = [hop for hop in seen.reach.hops if hop and is_public(IPv4Address(hop))]
    return f"{public[0]} on the way to the fleet answers" if public else ""


def fleet_unreachable(seen: Observations, patience: Patience) -> Finding | None:
    """The internet is there, and the fleet is not."""
    proof, reach = internet_fact(seen, patience), seen.reach
    if not proof:
        return None
    if reach.fleet not in _UNTRIED | _IN_BETWEEN and reach.failures >= 2 and not reach.connected:
        return Finding(WiringCode.FLEET_UNREACHABLE, 0.9, reach.since or seen.now, (reach.detail, proof))
    away = reach.disconnected_since
    if reach.activated and away is not None and seen.now - away > patience.session:
        fact = f"the agent has had no session with the fleet for {long(seen.now - away)}"
        return Finding(WiringCode.FLEET_UNREACHABLE, 0.8, away, (fact, proof))
    return None


def double_nat(seen: Observations, _patience: Patience) -> Finding | None:
    """The hop behind the gateway is of a customer's range, too: another router that translates."""
    hops = [hop for hop in seen.reach.hops[1:] if hop and is_private(IPv4Address(hop))]
    first = seen.reach.hops[0] if seen.reach.hops else ""
    beyond = [hop for hop in hops if hop != first]
    if not beyond or seen.own is None or seen.own.address is None:
        return None
    own = seen.own.address
    if not is_private(own.ip) or IPv4Address(beyond[0]) in own.network:
        return None
    wide = IPv4Address(beyond[0]).packed[0] == 10
    facts = (
        f"the gateway is {first or seen.own.gateway or 'unknown'}, and behind it {beyond[0]} takes the next hop",
        *(("providers use 10.0.0.0/8 inside their own networks, too",) if wide else ()),
    )
    return Finding(WiringCode.DOUBLE_NAT, 0.6 if wide else 0.9, _since(seen), facts)
