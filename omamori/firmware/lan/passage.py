"""What crosses the unit: packets from either side, answers from the internet, tagged and untagged frames. Pure.

Every opening of a connection and every question to a name server is captured, of everything else a sample: enough to say
that something crosses, not how much.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Final

from omamori.firmware.lan.arp import Arp
from omamori.firmware.lan.dhcp import Dhcp
from omamori.firmware.lan.hint import Hint
from omamori.firmware.lan.internet import Address, is_public
from omamori.firmware.lan.ndp import Neighbour
from omamori.firmware.lan.pppoe import Pppoe
from omamori.firmware.lan.segment import Opening
from omamori.firmware.lan.sighting import Learned, Passing, Port, Sighting
from omamori.protocol.ids import Mac

_MOST_TAGS: Final = 16
_MOST_FORWARDERS: Final = 64
_MOST_PROXIES: Final = 8
_PROXY_PORTS: Final = frozenset({3128, 8080, 8888})


@dataclass(frozen=True, slots=True)
class Tagging:
    """Frames of one port since its link came up."""

    tagged: int = 0
    untagged: int = 0
    vlans: tuple[int, ...] = ()


@dataclass(slots=True)
class Passage:
    """Notes what passes."""

    crossed: dict[Port, datetime] = field(default_factory=dict)
    """When a packet last came in at each port, bound for a single device beyond."""
    answered: dict[Port, datetime] = field(default_factory=dict)
    """When a public address last accepted a connection, heard on this port."""
    forwarders: dict[Mac, dict[Port, datetime]] = field(default_factory=dict)
    """Devices that pass on packets of the open internet, and where they were heard."""
    proxies: dict[str, datetime] = field(default_factory=dict)
    """`address:port` of servers on the router's side or behind that answer as web proxies do, when last."""
    _tags: dict[Port, tuple[int, int, dict[int, None]]] = field(default_factory=dict)

    def note(self, sighting: Sighting, *, to_us: bool = False) -> None:
        """Take one fact in; `to_us` where it was sent to the unit itself, whose own way out says nothing of the hosts'."""
        self._count_tag(sighting)
        match sighting.said:
            case Opening(answers=True) as opening if is_public(opening.source):
                self.answered[sighting.port] = sighting.time
                self._cross(sighting, opening.source, opening.destination)
            case Opening(answers=True, port=port) as opening if port in _PROXY_PORTS and not to_us:
                self._answered_as_proxy(f"{opening.source}:{port}", sighting.time)
                self._cross(sighting, opening.source, opening.destination)
            case Opening() | Passing() as packet:
                self._cross(sighting, packet.source, packet.destination)
            case _:
                pass

    def tagging(self) -> dict[Port, Tagging]:
        """By port."""
        return {
            port: Tagging(tagged, untagged, tuple(sorted(vlans)))
            for port, (tagged, untagged, vlans) in self._tags.items()
        }

    def forget(self, port: Port) -> None:
        """The port's cable was touched."""
        for noted in (self.crossed, self.answered, self._tags):
            noted.pop(port, None)
        for mac, ports in list(self.forwarders.items()):
            ports.pop(port, None)
            if not ports:
                del self.forwarders[mac]
        self.proxies.clear()

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        for noted in (self.crossed, self.answered, *self.forwarders.values()):
            noted.update({port: time + by for port, time in noted.items()})
        self.proxies = {server: time + by for server, time in self.proxies.items()}

    def _cross(self, sighting: Sighting, source: Address, destination: Address) -> None:
        self.crossed[sighting.port] = sighting.time
        from_beyond = isinstance(source, IPv4Address) and is_public(source) and not is_public(destination)
        if from_beyond and (sighting.source in self.forwarders or len(self.forwarders) < _MOST_FORWARDERS):
            self.forwarders.setdefault(sighting.source, {})[sighting.port] = sighting.time

    def _answered_as_proxy(self, server: str, time: datetime) -> None:
        self.proxies.pop(server, None)
        self.proxies[server] = time
        if len(self.proxies) > _MOST_PROXIES:
            del self.proxies[next(iter(self.proxies))]

    def _count_tag(self, sighting: Sighting) -> None:
        if isinstance(sighting.said, Learned | Pppoe):
            return
        tagged, untagged, vlans = self._tags.get(sighting.port, (0, 0, {}))
        outer = next(iter(sighting.vlans), 0)
        if outer and len(vlans) < _MOST_TAGS:
            vlans[outer] = None
        self._tags[sighting.port] = (tagged + bool(outer), untagged + (not outer), vlans)


def unasked(sighting: Sighting) -> bool:
    """Whether the device spoke by itself: it is awake, not merely answering the unit."""
    match sighting.said:
        case Arp(operation=1) | Opening(answers=False):
            return True
        case Dhcp(from_server=False):
            return True
        case Neighbour(kind=kind):
            return kind in {133, 135}
        case Hint():
            return True
        case _:
            return False
