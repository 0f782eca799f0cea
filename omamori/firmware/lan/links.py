"""The kernel's view by netlink (pyroute2): ports, the bridge's forwarding table, the unit's own addresses and gateway."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Address
from pathlib import Path
from typing import Any, Final, Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from omamori.firmware.lan.errors import PortMissing
from omamori.protocol.ids import Mac

_MOST_ENTRIES: Final = 4_000
_LOCAL: Final = 0x80 | 0x40
"""NUD_PERMANENT and NUD_NOARP: the bridge's own and static entries."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_IPV4: Final = 2
_IPV6: Final = 10
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
        self._netlink: Any = IPRoute()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._netlink.close()

    def interface(self, name: str) -> Interface:
        """Raises PortMissing.

        Out of a list of all: what acknowledges a question for one stays in pyroute2's queue for ever (0.9.7).
        """
        try:
            (link,) = [one for one in self._netlink.link("dump") if one.get_attr("IFLA_IFNAME") == name]
        except (NetlinkError, OSError, ValueError) as error:
            raise PortMissing(f"no interface {name}: {error}") from error
        counters = link.get_attr("IFLA_STATS64") or {}
        return Interface(
            name=name,
            index=link["index"],
            mac=Mac(link.get_attr("IFLA_ADDRESS") or ""),
            up=bool(link.get_attr("IFLA_CARRIER")),
            changes=link.get_attr("IFLA_CARRIER_CHANGES") or 0,
            received=counters.get("rx_packets", 0),
            sent=counters.get("tx_packets", 0),
            errors=counters.get("rx_errors", 0),
            speed=_speed(name),
            half_duplex=_setting(name, "duplex") == "half",
        )

    def learned(self, bridge: Interface) -> Iterator[Entry]:
        """The forwarding table, at most 4,000 entries. Raises OSError."""
        for count, entry in enumerate(self._netlink.fdb("dump", master=bridge.index)):
            if count >= _MOST_ENTRIES:
                return
            address, cache = entry.get_attr("NDA_LLADDR"), entry.get_attr("NDA_CACHEINFO")
            if address and cache and not entry["state"] & _LOCAL:
                yield Entry(Mac(address), entry["ifindex"], cache["ndm_updated"] / _TICKS)

    def address(self, bridge: Interface) -> IPv4Interface | None:
        """The unit's own IPv4 address, the first where there are several. Raises OSError.

        Not a link-local one: it comes where nobody gives an address (RFC 3927), and leads nowhere.
        """
        for held in self._netlink.get_addr(family=_IPV4, index=bridge.index):
            address = IPv4Interface((held.get_attr("IFA_ADDRESS"), held["prefixlen"]))
            if not address.is_link_local:
                return address
        return None

    def addresses6(self, bridge: Interface) -> tuple[IPv6Address, ...]:
        """The unit's own IPv6 addresses, usable ones only. Raises OSError."""
        held = self._netlink.get_addr(family=_IPV6, index=bridge.index)
        usable = (one for one in held if not one["flags"] & _UNUSABLE)
        return tuple(IPv6Address(one.get_attr("IFA_ADDRESS")) for one in usable)

    def gateways(self, bridge: Interface) -> tuple[str, ...]:
        """The unit's own default gateways by the bridge. Raises OSError."""
        routes = self._netlink.get_default_routes(family=_IPV4)
        found = (r.get_attr("RTA_GATEWAY") for r in routes if r.get_attr("RTA_OIF") == bridge.index)
        return tuple(gateway for gateway in found if gateway)


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
