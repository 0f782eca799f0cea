"""Rules about the cables themselves: missing, slow, in a circle, or carrying tags only."""

from omamori.firmware.lan.diagnosis.patience import Patience
from omamori.firmware.lan.diagnosis.wording import clock, long
from omamori.firmware.lan.observations import Link, Observations
from omamori.firmware.lan.passage import Tagging
from omamori.firmware.lan.sighting import Port
from omamori.protocol.messages import Finding
from omamori.protocol.vocabulary import WiringCode

_SLOW = 100
"""Mbit/s, and less."""
_ERRORS = 20
_ERROR_SHARE = 0.001


def same_switch(seen: Observations, patience: Patience) -> Finding | None:
    """The unit's own probe came back in at the other port."""
    loop = seen.loop
    if loop is None or not (loop.closed or seen.now - loop.last <= patience.looping):
        return None
    facts = [
        f"{loop.returned} of the unit's own probes came back in at the other port, the last at {clock(loop.last)}"
    ]
    if loop.closed:
        facts.append(f"{seen.links[Port.LAN].name} is closed until they stay away")
    return Finding(
        WiringCode.BOTH_PORTS_SAME_SWITCH, 0.99 if loop.returned > 1 else 0.9, loop.first, tuple(facts)
    )


def wan_missing(seen: Observations, patience: Patience) -> Finding | None:
    return _missing(seen, patience, Port.WAN, WiringCode.WAN_CABLE_MISSING)


def lan_missing(seen: Observations, patience: Patience) -> Finding | None:
    return _missing(seen, patience, Port.LAN, WiringCode.LAN_CABLE_MISSING)


def _missing(seen: Observations, patience: Patience, port: Port, code: WiringCode) -> Finding | None:
    link = seen.links[port]
    dark = seen.now - link.since
    if link.up or dark < patience.carrier:
        return None
    return Finding(code, 0.95, link.since, (f"{link.name} has had no link for {long(dark)}",))


def vlan_only(seen: Observations, patience: Patience) -> Finding | None:
    """Frames come, and every one is tagged."""
    newest = max(link.since for link in seen.links.values())
    tags = {port: tagging for port, tagging in seen.traffic.tags.items() if tagging.tagged}
    untagged = sum(tagging.untagged for tagging in seen.traffic.tags.values())
    heard = sum(tagging.tagged for tagging in tags.values())
    if heard < 5 or untagged or seen.now - newest < patience.tagged:
        return None
    facts = tuple(_tag_fact(seen.links[port], tagging) for port, tagging in tags.items())
    return Finding(WiringCode.VLAN_ONLY, 0.9 if len(tags) == 2 else 0.8, newest, facts)


def _tag_fact(link: Link, tagging: Tagging) -> str:
    numbers = ", ".join(map(str, tagging.vlans))
    return f"{tagging.tagged} frames on {link.name} carried a VLAN tag ({numbers}), none came without"


def slow_link(seen: Observations, patience: Patience) -> Finding | None:
    """100 Mbit/s or less, half duplex, or broken frames."""
    slow = [
        (link, why) for link in seen.links.values() if link.up and (why := _slowness(link, seen, patience))
    ]
    if not slow:
        return None
    facts = tuple(f"{link.name}: {why}" for link, why in slow)
    return Finding(WiringCode.SLOW_LINK, 0.9, max(link.since for link, _ in slow), facts)


def _slowness(link: Link, seen: Observations, patience: Patience) -> str:
    if seen.now - link.since < patience.carrier:
        return ""
    facts = []
    if link.speed is not None and 0 < link.speed <= _SLOW:
        facts.append(f"{link.speed} Mbit/s")
    if link.half_duplex:
        facts.append("half duplex")
    if link.errors >= _ERRORS and link.errors > _ERROR_SHARE * (link.frames + link.errors):
        facts.append(f"{link.errors} broken frames beside {link.frames} good ones in the last minutes")
    return ", ".join(facts)
