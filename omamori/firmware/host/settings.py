"""What may be set on the unit itself: a fixed address, a proxy. One form for the page, the order and the stored file; nothing is applied here.

All values are texts under the same names everywhere, read by `parse` and written by `fields`, so there is one parser.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Final

from omamori.firmware.host import files

FILE_CAP: Final = 8192
_TEXT: Final = 120
_SERVERS: Final = 3
_HOST: Final = re.compile(
    r"(?=.{1,100}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_NOWHERE: Final = "0.0.0.0"  # noqa: S104 - the address that means none, nothing listens on it


class Problem(StrEnum):
    """What is wrong with a value; pages have the words."""

    MODE = "mode"
    ADDRESS = "address"
    MASK = "mask"
    UNUSABLE = "unusable"
    """No address for a device: the network's own, everybody's, a loopback."""
    GATEWAY = "gateway"
    ELSEWHERE = "elsewhere"
    """The gateway is not in the network."""
    SAME = "same"
    """The gateway's address is the unit's own."""
    SERVERS = "servers"
    PROXY = "proxy"
    SWITCH = "switch"
    """The access point is neither to be on nor off."""
    SSID = "ssid"
    PASSPHRASE = "passphrase"  # noqa: S105 - a field's name
    PROTECTION = "protection"
    CHANNEL = "channel"


class BadSettings(ValueError):  # noqa: N818 - the page's word for it
    """`problems` has the field's name for each."""

    def __init__(self, problems: Mapping[str, Problem]) -> None:
        super().__init__(", ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class Fixed:
    """An address that nobody gives the unit."""

    interface: IPv4Interface
    gateway: IPv4Address
    servers: tuple[IPv4Address, ...]
    """Name servers."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that takes CONNECT."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """None is the usual: an address by DHCP, no proxy."""

    fixed: Fixed | None = None
    proxy: Proxy | None = None


USUAL: Final = Settings()


def parse(values: Mapping[str, str]) -> Settings:
    """Raises BadSettings with all that is wrong. Full-width digits are read, too."""
    read = {name: unicodedata.normalize("NFKC", values.get(name, "")[:_TEXT]).strip() for name in _FIELDS}
    problems: dict[str, Problem] = {}
    mode = read["mode"] or "automatic"
    if mode not in {"automatic", "fixed"}:
        problems["mode"] = Problem.MODE
    fixed = _fixed(read, problems) if mode == "fixed" else None
    proxy = _proxy(read["proxy"], problems)
    if problems:
        raise BadSettings(problems)
    return Settings(fixed, proxy)


_FIELDS: Final = ("mode", "address", "mask", "gateway", "servers", "proxy")


def fields(settings: Settings) -> dict[str, str]:
    """What `parse` reads."""
    found = dict.fromkeys(_FIELDS, "")
    found["mode"] = "fixed" if settings.fixed else "automatic"
    if fixed := settings.fixed:
        found["address"], found["mask"] = str(fixed.interface.ip), str(fixed.interface.netmask)
        found["gateway"], found["servers"] = str(fixed.gateway), " ".join(map(str, fixed.servers))
    if settings.proxy:
        found["proxy"] = str(settings.proxy)
    return found


def load(path: Path) -> Settings:
    """What is stored; the usual where there is nothing. Raises OSError, ValueError."""
    found = files.read_texts(path, cap=FILE_CAP)
    return USUAL if found is None else parse(found)


def store(path: Path, settings: Settings) -> None:
    """Raises OSError."""
    files.write_atomic(path, json.dumps(fields(settings)).encode(), durable=True)


def proxy_of(path: Path) -> Proxy | None:
    """The proxy in force, for whoever connects; None also where the file cannot be read."""
    try:
        return load(path).proxy
    except (OSError, ValueError):
        return None


# --- parts --------------------------------------------------------------------------------------------------------


def _fixed(read: Mapping[str, str], problems: dict[str, Problem]) -> Fixed | None:
    interface = _interface(read["address"], read["mask"], problems)
    gateway = _address(read["gateway"])
    if gateway is None:
        problems["gateway"] = Problem.GATEWAY
    elif interface and gateway == interface.ip:
        problems["gateway"] = Problem.SAME
    elif interface and (
        gateway not in interface.network
        or not _usable(IPv4Interface(f"{gateway}/{interface.network.prefixlen}"))
    ):
        problems["gateway"] = Problem.ELSEWHERE
    servers = _servers(read["servers"], gateway, problems)
    return Fixed(interface, gateway, servers) if interface and gateway and not problems else None


def _interface(text: str, mask: str, problems: dict[str, Problem]) -> IPv4Interface | None:
    address, _, length = text.partition("/")
    if _address(address) is None:
        problems["address"] = Problem.ADDRESS
        return None
    try:
        interface = IPv4Interface(f"{address.strip()}/{length or mask or '255.255.255.0'}")
    except ValueError:
        problems["mask"] = Problem.MASK
        return None
    if not _usable(interface):
        problems["address" if 8 <= interface.network.prefixlen <= 30 else "mask"] = (
            Problem.UNUSABLE if 8 <= interface.network.prefixlen <= 30 else Problem.MASK
        )
        return None
    return interface


def _usable(interface: IPv4Interface) -> bool:
    network, ip = interface.network, interface.ip
    special = ip.is_multicast or ip.is_loopback or ip.is_link_local or ip.is_reserved or ip.is_unspecified
    ends = {network.network_address, network.broadcast_address}
    return 8 <= network.prefixlen <= 30 and not special and ip not in ends


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text.strip())
    except ValueError:
        return None


def _servers(text: str, gateway: IPv4Address | None, problems: dict[str, Problem]) -> tuple[IPv4Address, ...]:
    """Separated by blanks or commas; the gateway where none is named."""
    words = re.split(r"[\s,、]+", text.strip()) if text.strip() else []
    found = tuple(address for word in words if (address := _address(word)) and str(address) != _NOWHERE)
    if len(found) != len(words) or len(found) > _SERVERS:
        problems["servers"] = Problem.SERVERS
    return found or ((gateway,) if gateway else ())


def _proxy(text: str, problems: dict[str, Problem]) -> Proxy | None:
    """`host:port`, with or without `http://`; 8080 where no port is named."""
    if not text:
        return None
    host, _, port = text.lower().removeprefix("http://").rstrip("/").partition(":")
    number = int(port or "8080") if re.fullmatch(r"[0-9]{0,5}", port) else 0
    if not _HOST.fullmatch(host) or not 0 < number < 65_536:
        problems["proxy"] = Problem.PROXY
        return None
    return Proxy(host, number)
