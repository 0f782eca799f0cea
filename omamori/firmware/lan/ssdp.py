"""SSDP: what a UPnP device is and what it runs (UPnP Device Architecture 1.1, 1.2 and 1.3). Pure."""

import re
from typing import Final

from omamori.firmware.lan.hint import Hint, Source, text
from omamori.firmware.lan.internet import Address

PORT: Final = 1900
_MOST_LINES: Final = 32
_TYPE: Final = re.compile(r"urn:[\w.-]+:(?:device|service):([\w-]{1,40})(?::\d+)?")


def parse(sender: Address, datagram: bytes) -> Hint | None:
    """Announcements, answers, and the program that searches; None for everything else. Never raises."""
    first, *lines = datagram.decode("latin-1").split("\r\n")[:_MOST_LINES]
    fields = {key.strip().upper(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if first.startswith("M-SEARCH"):
        program = text(fields.get("USER-AGENT", ""))
        return Hint(Source.SSDP, sender=sender, system=program) if program else None
    if not first.startswith(("NOTIFY", "HTTP/1.1 200")) or fields.get("NTS") == "ssdp:byebye":
        return None
    kinds = (_TYPE.search(fields.get(key, "")) for key in ("NT", "ST", "USN"))
    services = tuple(dict.fromkeys(kind[1] for kind in kinds if kind))
    server = text(fields.get("SERVER", ""))
    return Hint(Source.SSDP, sender=sender, services=services, system=server) if services or server else None
