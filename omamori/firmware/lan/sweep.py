"""The gentle question: one ARP request for each address that may be in use, so that idle hosts show themselves.

Pure plan plus one small sender. A sweep runs when the LAN port's link comes up, once more half a minute later (switches with
spanning tree forward nothing before that), and hourly: at most 512 requests, 40 a second.
"""

import socket
import struct
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final, Self

from omamori.firmware.lan import arp
from omamori.firmware.lan.errors import PortMissing
from omamori.firmware.lan.ethernet import BROADCAST, EtherType, mac_octets
from omamori.firmware.lan.internet import is_private
from omamori.protocol.ids import Mac

A_SECOND: Final = 40
MOST: Final = 512
AFTER_LINK_UP: Final = (timedelta(seconds=2), timedelta(seconds=32))
HOURLY: Final = timedelta(hours=1)
_SUBNET_CAP: Final = 256
_UNSPECIFIED: Final = IPv4Address(0)


def targets(own: IPv4Interface | None, remembered: Iterable[str]) -> list[IPv4Address]:
    """Whom to ask: remembered hosts first, then the unit's own subnet where it is no larger than a /24.

    A unit without an address asks where most of the remembered hosts are.
    """
    asked = dict.fromkeys(address for text in remembered if (address := _address(text)))
    network = own.network if own else _crowded(asked)
    if network is not None and network.num_addresses <= _SUBNET_CAP:
        asked |= dict.fromkeys(network.hosts())
    if own is not None:
        asked.pop(own.ip, None)
    return list(asked)[:MOST]


def _crowded(addresses: Iterable[IPv4Address]) -> IPv4Network | None:
    """The /24 of a customer's own range that holds most of these."""
    networks = Counter(IPv4Network((each, 24), strict=False) for each in addresses if is_private(each))
    return networks.most_common(1)[0][0] if networks else None


def request(sender: Mac, own: IPv4Interface | None, target: IPv4Address) -> bytes:
    """The frame. Without an address of its own the unit sends a probe (RFC 5227), which claims nothing."""
    head = mac_octets(BROADCAST) + mac_octets(sender) + struct.pack("!H", EtherType.ARP)
    return head + arp.request(sender, own.ip if own else _UNSPECIFIED, target)


class Sweep:
    """When to ask, and how much at once. Pure."""

    def __init__(self, link_since: datetime) -> None:
        self._pending: deque[IPv4Address] = deque()
        self._link_since = link_since
        self._due = [link_since + after for after in AFTER_LINK_UP]

    def due(self, now: datetime, *, link_since: datetime) -> bool:
        """Whether a sweep begins now."""
        if link_since != self._link_since:
            self._link_since, self._due = link_since, [link_since + after for after in AFTER_LINK_UP]
        if now < self._due[0]:
            return False
        self._due = [time for time in self._due if time > now] or [now + HOURLY]
        return True

    def begin(self, asked: Iterable[IPv4Address]) -> None:
        """Ask these, in place of what is left of the last sweep."""
        self._pending = deque(asked)

    def take(self, seconds: float) -> Iterator[IPv4Address]:
        """What to ask in a slice of time."""
        for _ in range(min(len(self._pending), int(A_SECOND * seconds))):
            yield self._pending.popleft()

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        self._link_since += by
        self._due = [time + by for time in self._due]


class Asker:
    """Sends out of the bridge, to both sides. Close it, or use it in a `with`."""

    def __init__(self, bridge: str) -> None:
        """Raises PortMissing."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._socket.bind((bridge, 0))
        except OSError as error:
            self._socket.close()
            raise PortMissing(f"cannot send on {bridge}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, frame: bytes) -> None:
        """Raises OSError while the bridge is down or full."""
        self._socket.send(frame)


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None
