"""Which LAN host an event was about: the device that held the inside address at that time."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from omamori.protocol.messages import Detection, Host, Hosts, UpBody, Usage
from omamori.protocol.vocabulary import Direction, Side

SLACK: Final = timedelta(minutes=10)
"""A host talks a little before it is noticed, and goes on after it was last noticed."""

SHARED: Final = 0.6
"""From this likelihood on a host is taken to speak for several devices."""
_DAY: Final = 86_400
_NAME: Final = 40
"""Letters of a host's name in usage, which repeats it every hour."""


def name_host(body: UpBody, known: Hosts | None) -> UpBody:
    """A detection or usage with its hosts filled in where they are known; everything else as it came."""
    if isinstance(body, Usage) and known is not None:
        return _name_users(body, known)
    if not isinstance(body, Detection) or body.host is not None or known is None:
        return body
    ends = [body.source.address, body.destination.address]
    inside_first = ends[::-1] if body.direction is Direction.INBOUND else ends
    holders = (holder(known.hosts, address, body.time) for address in inside_first)
    found = next(filter(None, holders), None)
    if found is None:
        return body
    return replace(body, host=found.mac, host_name=found.name, host_shared=found.shared >= SHARED)


def _name_users(body: Usage, known: Hosts) -> Usage:
    """Who held the address in the middle of the period."""
    middle = body.start + timedelta(seconds=min(max(body.seconds, 0), _DAY) / 2)
    holders = ((user, holder(known.hosts, user.address, middle)) for user in body.hosts)
    named = tuple(
        replace(user, mac=found.mac, name=found.name[:_NAME]) if found and user.mac is None else user
        for user, found in holders
    )
    return replace(body, hosts=named)


def holder(hosts: Iterable[Host], address: str, time: datetime) -> Host | None:
    """The host behind us that held the address then; of several, the one seen closest to that time."""
    claims = [
        (distance, host)
        for host in hosts
        if host.side is Side.BEHIND
        for held in host.addresses
        if held.address == address and (distance := _distance(held.first_seen, held.last_seen, time)) <= SLACK
    ]
    return min(claims, key=lambda claim: (claim[0], -claim[1].last_seen.timestamp()))[1] if claims else None


def _distance(first: datetime, last: datetime, time: datetime) -> timedelta:
    return max(first - time, time - last, timedelta(0))
