"""Rules about addresses: none for the unit, one for two devices, two givers, or public ones inside."""

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from omamori.firmware.lan.diagnosis.patience import Patience
from omamori.firmware.lan.diagnosis.wording import clock, long
from omamori.firmware.lan.internet import is_private, is_public
from omamori.firmware.lan.leases import Lessor
from omamori.firmware.lan.observations import Observations, Router
from omamori.firmware.lan.sighting import Port
from omamori.protocol.messages import Finding
from omamori.protocol.vocabulary import WiringCode

_PROPOSED: Final = range(250, 199, -1)
"""Last octets, in this order: small routers give out leases from below."""
_CERTAIN: Final = frozenset({"gateway", "forwards", "ra"})


# --- none ---------------------------------------------------------------------------------------------------------


def no_address(seen: Observations, patience: Patience) -> Finding | None:
    """Neither a lease nor an IPv6 prefix came within the usual time after link up."""
    own, link = seen.own, seen.links[Port.WAN]
    newest = max(each.since for each in seen.links.values())
    waited = seen.now - newest
    if own is None or own.address or own.reaches_ipv6 or not link.up or waited < patience.lease:
        return None
    facts = [f"the unit has had no address for {long(waited)}", _lessor_fact(seen), *_proposal(seen)]
    confidence = 0.6 if not (seen.stations or seen.routers) else 0.9 if waited > 2 * patience.lease else 0.8
    return Finding(WiringCode.NO_ADDRESS, confidence, newest, tuple(facts))


def _lessor_fact(seen: Observations) -> str:
    if not seen.lessors:
        return "no DHCP server has answered"
    servers = ", ".join(sorted(lessor.server or lessor.mac for lessor in seen.lessors))
    return f"DHCP servers answer ({servers}), but gave the unit no address: are all addresses given out?"


def _proposal(seen: Observations) -> Iterable[str]:
    """A fixed address that fits what was overheard and that nobody was heard to hold."""
    heard = _overheard(seen)
    if not heard:
        yield "no addresses of other devices were overheard"
        return
    networks = Counter(IPv4Network((address, 24), strict=False) for address in heard)
    network, count = networks.most_common(1)[0]
    yield f"{count} addresses in {network} were overheard"
    free = (network[last] for last in _PROPOSED if network[last] not in heard)
    gateway = next((address for address in _gateways(seen) if address in network), None)
    proposed = next(free, None)
    if proposed is not None:
        way = f", gateway {gateway}" if gateway else ""
        yield f"proposed: {proposed}/24{way}"


def _overheard(seen: Observations) -> set[IPv4Address]:
    texts = [text for station in seen.stations for text in station.addresses]
    texts += [text for router in seen.routers for text in (*router.addresses, *router.station.addresses)]
    return {address for text in texts if is_private(address := IPv4Address(text))}


def _gateways(seen: Observations) -> list[IPv4Address]:
    """The router's own addresses; where none is known, those of a lone device on the router's side."""
    routers = [each for each in seen.routers if each.station.port is Port.WAN]
    texts = [text for router in routers for text in (*router.addresses, *router.station.addresses)]
    alone = seen.hosts_on(Port.WAN)
    if not texts and len(alone) == 1:
        texts = list(alone[0].addresses)
    return [IPv4Address(text) for text in texts]


# --- one for two --------------------------------------------------------------------------------------------------


def conflict(seen: Observations, _patience: Patience) -> Finding | None:
    """Two devices claim the same address at the same time, or one claims the unit's."""
    if not seen.conflicts:
        return None
    facts = []
    for each in seen.conflicts:
        holders = [f"{mac} on the {seen.links[port].name} side" for mac, port in each.holders]
        if len(holders) == 1:
            holders.append("the unit itself")
        facts.append(f"{each.address} is claimed by {' and '.join(holders)}")
    return Finding(WiringCode.ADDRESS_CONFLICT, 0.9, min(each.since for each in seen.conflicts), tuple(facts))


# --- two givers ---------------------------------------------------------------------------------------------------


def rogue_dhcp(seen: Observations, _patience: Patience) -> Finding | None:
    """Two servers whose leases name different gateways; one of them is not the way out."""
    if len({lessor.gateway for lessor in seen.lessors}) < 2:
        return None
    rightful = _rightful(seen)
    rogues = [lessor for lessor in seen.lessors if lessor.gateway != rightful]
    facts = [f"leases of {_gives(seen, lessor)}" for lessor in seen.lessors]
    facts.append(f"the way out is {rightful or 'not known'}")
    inside = any(lessor.port is Port.LAN for lessor in rogues)
    return Finding(
        WiringCode.ROGUE_DHCP,
        0.95 if inside else 0.75,
        min(lessor.first for lessor in rogues),
        tuple(facts),
    )


def _gives(seen: Observations, lessor: Lessor) -> str:
    side, last = seen.links[lessor.port].name, clock(lessor.last)
    return f"{lessor.mac} on the {side} side name the gateway {lessor.gateway or '(none)'}, last at {last}"


def _rightful(seen: Observations) -> str:
    """The gateway in front: by a router that carries traffic, else by the server in front that answered most."""
    in_front = [lessor for lessor in seen.lessors if lessor.port is Port.WAN]
    certain = {
        address for router in seen.routers if _in_front(router) for address in router.station.addresses
    }
    named = [lessor for lessor in in_front if lessor.gateway in certain] or in_front or list(seen.lessors)
    return max(named, key=lambda lessor: (lessor.answers, lessor.gateway)).gateway


def _in_front(router: Router) -> bool:
    return router.station.port is Port.WAN and bool(_CERTAIN & set(router.reasons))


# --- public -------------------------------------------------------------------------------------------------------


def public_inside(seen: Observations, patience: Patience) -> Finding | None:
    """A host behind claims an address of the open internet."""
    held = [
        (station, text)
        for station in seen.hosts_on(Port.LAN)
        for text in station.addresses
        if is_public(IPv4Address(text)) and seen.now - station.last[Port.LAN] <= patience.astray
    ]
    if not held:
        return None
    facts = tuple(f"{station.mac} behind the unit holds {text}" for station, text in held[:5])
    return Finding(WiringCode.PUBLIC_ADDRESS_INSIDE, 0.9, min(station.first for station, _ in held), facts)
