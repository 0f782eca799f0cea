"""Typed ids. Parsed once at the border; inside, an id is always well-formed.

A unit id is also an MQTT client id, a topic level, a certificate CN and a file name, so its grammar is the
narrowest of the four: no dots, no slashes, no wildcards, lower case.
"""

import hashlib
import re
from typing import NewType

from omamori.protocol.errors import IdError

UnitId = NewType("UnitId", str)
"""4 to 40 of `a-z0-9-`, beginning and ending with a letter or digit."""
BootId = NewType("BootId", str)
"""The kernel's boot id: 32 hex digits (`/proc/sys/kernel/random/boot_id` without dashes)."""
Mac = NewType("Mac", str)
"""`aa:bb:cc:dd:ee:ff`, lower case."""
DetectionId = NewType("DetectionId", str)
"""`epoch-sequence`, e.g. `1586334621-1652`: unique within a unit."""

_UNIT = re.compile(r"[a-z0-9](?:[a-z0-9-]{2,38})[a-z0-9]")
_BOOT = re.compile(r"[0-9a-f]{32}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_DETECTION = re.compile(r"[0-9]{1,11}-[0-9]{1,10}")


def unit_id(text: str) -> UnitId:
    """Raises IdError."""
    return UnitId(_checked(_UNIT, text, "unit id"))


def boot_id(text: str) -> BootId:
    """Accepts the kernel's dashes. Raises IdError."""
    return BootId(_checked(_BOOT, text.strip().replace("-", "").lower(), "boot id"))


def mac(text: str) -> Mac:
    """Accepts upper case and dashes. Raises IdError."""
    return Mac(_checked(_MAC, text.lower().replace("-", ":"), "MAC address"))


def detection_id(text: str) -> DetectionId:
    """Raises IdError."""
    return DetectionId(_checked(_DETECTION, text, "detection id"))


def bucket(unit: UnitId) -> str:
    """Two hex digits that split the fleet evenly among ingest workers on any broker."""
    return hashlib.sha256(unit.encode()).hexdigest()[:2]


def _checked(grammar: re.Pattern[str], text: str, what: str) -> str:
    if not grammar.fullmatch(text):
        raise IdError(f"not a {what}: {text[:60]!r}")
    return text
