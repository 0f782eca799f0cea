"""Which MAC addresses are one device: a second interface, or a random address that was renewed. Pure, and never final.

Records stay apart, one for each MAC address; that two are one device is a conclusion drawn anew each time, so it can always be
undone: a pair that an operator has set apart is never joined. Rules, the strongest first:

    identity   the same DHCP unique identifier (RFC 8415 11, RFC 4361): meant to be one for all interfaces
    renewed    two made-up addresses, the same name and the same DHCP fingerprint, and the older was gone before the newer came
    interfaces the same name by mDNS or NetBIOS, which are unique in a network, on two real addresses (a PC's cable and Wi-Fi)

A name that makers give to all of a kind joins nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from omamori.firmware.lan.ethernet import is_private
from omamori.firmware.lan.hint import Source
from omamori.protocol.ids import Mac

_COMMON: Final = re.compile(
    r"(i-?(phone|pad|mac)|mac ?book( ?(air|pro))?|android|galaxy|raspberrypi|openwrt|printer|nas|ubuntu|debian|desktop)"
    r"([-_ ]\d{1,3})?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What one MAC address has shown."""

    mac: Mac
    first: datetime
    last: datetime
    names: Mapping[Source, str]
    identity: str = ""
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Same:
    """Why a MAC address belongs to the device first known as `device`."""

    device: Mac
    reason: str


def devices(known: Iterable[Known], *, apart: frozenset[frozenset[Mac]] = frozenset()) -> dict[Mac, Same]:
    """For each MAC address that is a further one of an older device, which and why."""
    ordered = sorted(known, key=lambda each: (each.first, each.mac))
    found: dict[Mac, Same] = {}
    keys: dict[tuple[str, str], list[Known]] = {}
    for each in ordered:
        for reason, key in _keys(each):
            older = next(
                (one for one in keys.get((reason, key), []) if _fits(reason, one, each, apart)), None
            )
            if older and each.mac not in found:
                first = found[older.mac].device if older.mac in found else older.mac
                if frozenset({first, each.mac}) not in apart:
                    found[each.mac] = Same(first, reason)
            keys.setdefault((reason, key), []).append(each)
    return found


def _keys(each: Known) -> Iterable[tuple[str, str]]:
    """By which words it can be found again, and by which rule."""
    if each.identity:
        yield "identity", each.identity
    private = is_private(each.mac)
    for source in (Source.MDNS, Source.NETBIOS, Source.DHCP):
        name = each.names.get(source, "").lower()
        if not name or _COMMON.fullmatch(name):
            continue
        if private:
            yield "renewed", f"{source} {name}"
        elif source is not Source.DHCP:
            yield "interfaces", f"{source} {name}"


def _fits(reason: str, older: Known, newer: Known, apart: frozenset[frozenset[Mac]]) -> bool:
    if frozenset({older.mac, newer.mac}) in apart:
        return False
    if reason != "renewed":
        return True
    agree = not older.parameters or not newer.parameters or older.parameters == newer.parameters
    return agree and older.last < newer.first
