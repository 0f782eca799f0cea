"""Evidence in English words with numbers, for the help desk."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from omamori.firmware.lan.observations import Observations, Router, Station

MOST_NAMED: Final = 5
_REASONS: Final = {
    "gateway": "answers as gateway {addresses}",
    "dhcp": "gives leases (DHCP)",
    "ra": "advertises itself as router (IPv6)",
    "forwards": "brings packets of the open internet",
}


def named(stations: Iterable[Station]) -> str:
    """The first few MAC addresses in brackets, or nothing."""
    macs = sorted(station.mac for station in stations)
    shown = ", ".join(macs[:MOST_NAMED]) + (", ..." if len(macs) > MOST_NAMED else "")
    return f" ({shown})" if macs else ""


def clock(time: datetime) -> str:
    return time.strftime("%H:%M:%S UTC")


def long(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def router_fact(seen: Observations, router: Router) -> str:
    """Why it counts as a router, where, and when it was heard last."""
    port = seen.links[router.station.port].name
    told = {**_REASONS, "gateway": _REASONS["gateway"].format(addresses=", ".join(router.addresses))}
    what = " and ".join(told[reason] for reason in router.reasons)
    last = clock(router.station.last[router.station.port])
    return f"{router.station.mac} {what} on the {port} side, last at {last}"
