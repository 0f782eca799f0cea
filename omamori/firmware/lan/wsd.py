"""WS-Discovery: what a device announces itself to be, as printers, cameras and Windows do (OASIS WS-Discovery 1.1; WSD port 3702). Pure.

Only the list of types is read, and only where a device speaks of itself: a search names the types that somebody else looks for.
XML is not parsed: the two elements are found by their local names, so nothing in a message can make this one grow.
"""

import re
from typing import Final

from omamori.firmware.lan.hint import Hint, Source
from omamori.firmware.lan.internet import Address

_ITSELF: Final = re.compile(
    rb"<(?:[\w-]{1,20}:)?Action\b[^<>]{0,200}>[^<>]{0,200}/(?:Hello|ProbeMatches|ResolveMatches)\s{0,20}<"
)
_TYPES: Final = re.compile(rb"<(?:[\w-]{1,20}:)?Types\b[^<>]{0,600}>([^<>]{1,400})<")
_TYPE: Final = re.compile(rb"(?:[\w.-]{1,20}:)?([A-Za-z]{1,40})")
_MOST: Final = 8


def parse(sender: Address, datagram: bytes) -> Hint | None:
    """None for searches, farewells and everything else. Never raises."""
    found = _TYPES.search(datagram) if _ITSELF.search(datagram) else None
    if found is None:
        return None
    types = (_TYPE.fullmatch(word) for word in found[1].split()[:_MOST])
    services = tuple(dict.fromkeys(f"wsd-{kind[1].decode('ascii')}" for kind in types if kind))
    return Hint(Source.WSD, sender=sender, services=services) if services else None
