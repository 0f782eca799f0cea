"""Who made a network card, from the IEEE's public registry as Debian ships it (`ieee-data`, /usr/share/ieee-data/oui.txt).

Only 24-bit assignments are looked up. A unit without the registry shows no vendors; it never asks anybody.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from omamori.firmware.lan.ethernet import is_private
from omamori.protocol.ids import Mac

REGISTRY = Path("usr/share/ieee-data/oui.txt")
"""Below the unit's root."""
PRIVATE = "(private address)"
"""Shown instead of a vendor for a MAC that software made up."""

_LINE = re.compile(r"([0-9A-Fa-f]{2})-([0-9A-Fa-f]{2})-([0-9A-Fa-f]{2})\s+\(hex\)\s+(\S.*)")
_NAME_CAP = 60
_MOST = 100_000


class Vendors:
    """Looks up vendors by the first three octets."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = dict(names or {})

    def of(self, mac: Mac) -> str:
        """The vendor, `PRIVATE`, or an empty string where unknown."""
        return PRIVATE if is_private(mac) else self._names.get(mac[:8], "")


def parse(lines: Iterable[str]) -> Vendors:
    """The registry's text form; lines that assign nothing are skipped, at most 100,000 are kept."""
    names: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line)
        if found and len(names) < _MOST:
            names[":".join(found.groups()[:3]).lower()] = found[4].strip()[:_NAME_CAP]
    return Vendors(names)


def load(registry: Path) -> Vendors:
    """The registry in this file; none where it is missing or unreadable."""
    try:
        with registry.open(encoding="utf-8", errors="replace") as lines:
            return parse(lines)
    except OSError:
        return Vendors()
