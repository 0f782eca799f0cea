"""What a device says about itself by a name or service protocol. Only types and the rules for texts from outside."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from omamori.firmware.lan.internet import Address

TEXT_CAP: Final = 64
_MEANINGLESS: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # WebRTC hides addresses behind such names
    r"|localhost(\.localdomain)?|\(none\)|unknown|android-dhcp-\d+|dhcp-?client|udhcp.*|host|device",
    re.IGNORECASE,
)


class Source(StrEnum):
    """Where a name came from; the values travel. Better sources come first: people choose the names of the earlier ones."""

    MDNS = "mdns"
    NETBIOS = "netbios"
    DHCP = "dhcp"
    DHCPV6 = "dhcpv6"
    LLMNR = "llmnr"
    SSDP = "ssdp"
    WSD = "wsd"


@dataclass(frozen=True, slots=True)
class Hint:
    """One device's word about itself."""

    source: Source
    sender: Address | None = None
    """The packet's own source address."""
    name: str = ""
    addresses: tuple[Address, ...] = ()
    """What the name stands for, where that was said; a name for others' addresses was merely passed on."""
    services: tuple[str, ...] = ()
    """`_ipp._tcp`, or the last words of a UPnP device type."""
    model: str = ""
    system: str = ""
    """How it names its software, in its own words."""
    identity: str = ""
    """What stays the same on all its interfaces (a DUID, in hex)."""

    @property
    def own(self) -> bool:
        """Whether it speaks of itself, as far as can be told."""
        return self.sender is None or not self.addresses or self.sender in self.addresses


def text(raw: bytes | str, *, cap: int = TEXT_CAP) -> str:
    """Printable, capped, without blanks at its ends."""
    decoded = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return "".join(letter for letter in decoded if letter.isprintable() and letter != "\ufffd")[:cap].strip()


def means_something(name: str) -> bool:
    """Whether a name tells devices apart: not one that software made up for all of its kind."""
    return bool(name) and not _MEANINGLESS.fullmatch(name)
