"""The kernel's view by netlink: ports, the bridge's forwarding table, the unit's own addresses and gateway.

Asked every second, for ever: made by hand (decision 0037).
"""

import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Final, Self

from omamori.firmware.host import netlink as nl
from omamori.firmware.host import rtnetlink as rt
from omamori.firmware.lan.errors import PortMissing
from omamori.protocol.ids import Mac

_MOST_ENTRIES: Final = 4_000
_LOCAL: Final = 0x80 | 0x40
"""NUD_PERMANENT and NUD_NOARP: the bridge's own and static entries."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_BRIDGE: Final = 7
"""AF_BRIDGE."""
_ADDRESS, _IFNAME, _STATS, _CARRIER, _CHANGES = 1, 3, 23, 33, 35
"""IFLA_ of linux/if_link.h."""
_LLADDR, _CACHEINFO, _MASTER = 2, 3, 9
"""NDA_ of linux/neighbour.h."""
_IFA_ADDRESS, _DST, _OIF, _GATEWAY, _TABLE = 1, 1, 4, 5, 15
"""IFA_ of linux/if_addr.h, RTA_ of linux/rtnetlink.h."""
_COUNTERS, _TIMES = struct.Struct("=5Q"), struct.Struct("=4I")
"""The first of rtnl_link_stats64 (packets in and out, bytes in and out, errors), and nda_cacheinfo (in ticks)."""
_MAIN: Final = 254
"""RT_TABLE_MAIN."""
_MOST_ADDRESSES, _MOST_ROUTES = 256, 4_000
_UNUSABLE: Final = 0x08 | 0x40
"""IFA_F_DADFAILED and IFA_F_TENTATIVE."""
_CLASS: Final = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface as it is now."""

    name: str
    index: int
    mac: Mac
    up: bool
    changes: int
    """How often the carrier changed: a cable pulled and put back between two looks shows here."""
    received: int
    sent: int
    errors: int = 0
    """Broken frames since boot."""
    speed: int | None = None
    """Mbit/s; None without link, and where the driver does not know."""
    half_duplex: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A station the bridge learned, and how many seconds ago it was last heard."""

    mac: Mac
    port: int
    """The interface's index."""
    age: float


class Links:
    """One netlink socket. Close it, or use it in a `with`."""

    def __init__(self) -> None:
        self._kernel = rt.RouteSocket()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._kernel.close()

    def interface(self, name: str) -> Interface:
        """Raises PortMissing."""
        question = rt.LINK.pack(0, 0, 0, 0, 0) + nl.attribute(_IFNAME, rt.text(name))
        try:
            return _interface(name, self._kernel.one(rt.GETLINK, question))
        except OSError as error:
            raise PortMissing(f"no interface {name}: {error}") from error

    def learned(self, bridge: Interface) -> Iterator[Entry]:
        """The forwarding table, at most 4,000 entries. Raises OSError."""
        master = nl.attribute(_MASTER, struct.pack("=I", bridge.index))
        question = rt.NEIGHBOUR.pack(_BRIDGE, 0, 0, 0, 0, 0) + master
        for answer in self._kernel.all(rt.GETNEIGH, question, most=_MOST_ENTRIES):
            if entry := _entry(answer):
                yield entry

    def address(self, bridge: Interface) -> IPv4Interface | None:
        """The unit's own IPv4 address, the first where there are several. Raises OSError.

        Not a link-local one: it comes where nobody gives an address (RFC 3927), and leads nowhere.
        """
        for length, _, packed in self._held(AF_INET, bridge):
            address = IPv4Interface((packed, length))
            if not address.is_link_local:
                return address
        return None

    def addresses6(self, bridge: Interface) -> tuple[IPv6Address, ...]:
        """The unit's own IPv6 addresses, usable ones only. Raises OSError."""
        return tuple(
            IPv6Address(packed) for _, flags, packed in self._held(AF_INET6, bridge) if not flags & _UNUSABLE
        )

    def gateways(self, bridge: Interface) -> tuple[str, ...]:
        """The unit's own default gateways by the bridge, of the main table. Raises OSError."""
        question = rt.ROUTE.pack(AF_INET, 0, 0, 0, 0, 0, 0, 0, 0) + nl.attribute(
            _TABLE, struct.pack("=I", _MAIN)
        )
        routes = self._kernel.all(rt.GETROUTE, question, most=_MOST_ROUTES)
        return tuple(gateway for route in routes if (gateway := _gateway(route, bridge.index)))

    def _held(self, family: int, bridge: Interface) -> Iterator[tuple[int, int, bytes]]:
        """Prefix length, flags and address of those that the bridge has."""
        question, size = rt.ADDRESS.pack(family, 0, 0, 0, bridge.index), 32 if family == AF_INET else 128
        for answer in self._kernel.all(rt.GETADDR, question, most=_MOST_ADDRESSES):
            _, length, flags, _, index = rt.fields(rt.ADDRESS, answer)
            packed = rt.attributes(rt.ADDRESS, answer).get(_IFA_ADDRESS)
            if packed is not None and index == bridge.index and length <= 8 * len(packed) == size:
                yield length, flags, bytes(packed)


def _interface(name: str, answer: memoryview) -> Interface:
    """Raises OSError where the answer is cut off."""
    _, _, index, _, _ = rt.fields(rt.LINK, answer)
    found = rt.attributes(rt.LINK, answer)
    received, sent, _, _, errors = rt.fields(_COUNTERS, found.get(_STATS, memoryview(bytes(_COUNTERS.size))))
    return Interface(
        name=name,
        index=index,
        mac=Mac(found[_ADDRESS].hex(":") if _ADDRESS in found else ""),
        up=any(found.get(_CARRIER, b"")),
        changes=_number(found.get(_CHANGES)),
        received=received,
        sent=sent,
        errors=errors,
        speed=_speed(name),
        half_duplex=_setting(name, "duplex") == "half",
    )


def _entry(answer: memoryview) -> Entry | None:
    """None of the bridge's own ones, or without a time."""
    _, _, index, state, _, _ = rt.fields(rt.NEIGHBOUR, answer)
    found = rt.attributes(rt.NEIGHBOUR, answer)
    address, times = found.get(_LLADDR), found.get(_CACHEINFO)
    if not address or not times or state & _LOCAL:
        return None
    _, _, updated, _ = rt.fields(_TIMES, times)
    return Entry(Mac(address.hex(":")), index, updated / _TICKS)


def _gateway(route: memoryview, port: int) -> str:
    """Empty where the route is no default route by this port."""
    found = rt.attributes(rt.ROUTE, route)
    if _DST in found or _number(found.get(_OIF)) != port or _number(found.get(_TABLE)) != _MAIN:
        return ""
    gateway = found.get(_GATEWAY, b"")
    return str(IPv4Address(bytes(gateway))) if len(gateway) == 4 else ""


def _number(value: memoryview | None) -> int:
    """A number of the machine's byte order; 0 where there is none."""
    return int.from_bytes(value, sys.byteorder) if value is not None else 0


def _speed(name: str) -> int | None:
    """Mbit/s; drivers that do not know say -1 or nothing."""
    text = _setting(name, "speed")
    return int(text) if text.isdecimal() and 0 < int(text) < 1_000_000 else None


def _setting(name: str, what: str) -> str:
    """One file of sysfs (Documentation/ABI/testing/sysfs-class-net); without link reading it is an error."""
    try:
        return (_CLASS / name / what).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
