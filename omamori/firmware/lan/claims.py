"""Who says that an IPv4 address is its own, by ARP: two at once are a conflict. Pure and bounded.

Two devices conflict when their claims interleave (A, B, A again) or when both answer within two seconds: one that took an address
over, or a card that was exchanged, does neither. Who claims many addresses answers for others (a repeater, a proxy) and counts
in no conflict; neither do virtual routers (RFC 5798), whose two ends share an address on purpose, nor two cards that share more than
one address: they are in one computer, which answers by both (Linux: arp_ignore 0).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from omamori.firmware.lan.arp import Arp, Operation
from omamori.firmware.lan.sighting import Port, Sighting
from omamori.protocol.ids import Mac

WINDOW: Final = timedelta(minutes=2)
"""Claims older than this say nothing of the present."""
TOGETHER: Final = timedelta(seconds=2)
MOST_ADDRESSES: Final = 2_000
_MOST_CLAIMANTS: Final = 4
_PROXY: Final = 6
"""Addresses of one device from which on it speaks for others."""
_VIRTUAL_ROUTER: Final = "00:00:5e:00:"
_Place: TypeAlias = tuple[tuple[int, ...], str]
"""VLAN tags and address: the same address in another VLAN is another place."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """An address that two devices hold at the same time."""

    address: str
    holders: tuple[tuple[Mac, Port], ...]
    since: datetime


@dataclass(slots=True)
class _Claims:
    """Of one address: the newest claims of each device, and when its conflict showed first."""

    times: dict[Mac, list[datetime]] = field(default_factory=dict)
    ports: dict[Mac, Port] = field(default_factory=dict)
    replies: dict[Mac, datetime] = field(default_factory=dict)
    since: datetime | None = None


class ClaimLedger:
    """Notes ARP."""

    def __init__(self, own: frozenset[Mac]) -> None:
        self._own = own
        self._claims: OrderedDict[_Place, _Claims] = OrderedDict()
        self._held: dict[Mac, set[str]] = {}

    def note(self, sighting: Sighting, arp: Arp) -> None:
        """Take one request or reply in."""
        address = arp.claims
        if address is None or arp.sender.startswith(_VIRTUAL_ROUTER):
            return
        held = self._held.setdefault(arp.sender, set())
        if len(held) < _PROXY:
            held.add(str(address))
        claims = self._of((sighting.vlans, str(address)))
        if arp.sender not in claims.times and len(claims.times) >= _MOST_CLAIMANTS:
            return
        claims.times[arp.sender] = [*claims.times.get(arp.sender, [])[-2:], sighting.time]
        claims.ports[arp.sender] = sighting.port
        if arp.operation is Operation.REPLY:
            claims.replies[arp.sender] = sighting.time

    def conflicts(self, now: datetime, *, own_address: str = "") -> tuple[Conflict, ...]:
        """Those of the last two minutes; for the unit's own address one other claim is enough."""
        found = []
        for (vlans, address), claims in self._claims.items():
            holders = self._holders(claims, now)
            taken = address == own_address and not vlans and holders
            if self._conflicting(claims, holders) or taken:
                claims.since = claims.since or max(claims.times[holder][-1] for holder in holders)
                places = tuple((mac, claims.ports[mac]) for mac in sorted(holders))
                found.append(Conflict(address, places, claims.since))
            else:
                claims.since = None
        return tuple(found)

    def forget(self, port: Port) -> None:
        """The port's cable was touched."""
        for claims in self._claims.values():
            for mac in [mac for mac, where in claims.ports.items() if where is port]:
                del claims.ports[mac], claims.times[mac]
                claims.replies.pop(mac, None)

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        for claims in self._claims.values():
            claims.times = {mac: [time + by for time in times] for mac, times in claims.times.items()}
            claims.replies = {mac: time + by for mac, time in claims.replies.items()}
            claims.since = claims.since + by if claims.since else None

    def _of(self, place: _Place) -> _Claims:
        claims = self._claims.pop(place, None) or _Claims()
        self._claims[place] = claims
        if len(self._claims) > MOST_ADDRESSES:
            self._claims.popitem(last=False)
        return claims

    def _holders(self, claims: _Claims, now: datetime) -> list[Mac]:
        return [
            mac
            for mac, times in claims.times.items()
            if mac not in self._own and now - times[-1] <= WINDOW and len(self._held.get(mac, ())) < _PROXY
        ]

    def _conflicting(self, claims: _Claims, holders: list[Mac]) -> bool:
        return any(
            _interleave(claims.times[one], claims.times[other]) or _together(claims.replies, one, other)
            for one in holders
            for other in holders
            if one != other and len(self._held[one] & self._held[other]) < 2
        )


def _interleave(one: list[datetime], other: list[datetime]) -> bool:
    """One claimed before and after the other did."""
    return any(one[0] < time < one[-1] for time in other)


def _together(replies: dict[Mac, datetime], one: Mac, other: Mac) -> bool:
    return one in replies and other in replies and abs(replies[one] - replies[other]) <= TOGETHER
