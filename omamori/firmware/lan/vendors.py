"""Who made a network card, from the IEEE's public registry as Debian ships it (`ieee-data`, /usr/share/ieee-data/oui.txt).

Only 24-bit assignments are looked up, each in the file itself when it is first asked for: reading all of them takes seconds
on a small box. A unit without the registry shows no vendors; it never asks anybody.
"""

import mmap
import re
from pathlib import Path

from omamori.firmware.lan.ethernet import is_private
from omamori.protocol.ids import Mac

REGISTRY = Path("usr/share/ieee-data/oui.txt")
"""Below the unit's root."""
PRIVATE = "(private address)"
"""Shown instead of a vendor for a MAC that software made up."""

_HEX = re.compile(rb"\s+\(hex\)\s+(\S.*)")
_NAME_CAP = 60
_REMEMBERED = 4096


class Vendors:
    """Looks up vendors by the first three octets in the registry's text form: `00-00-0E   (hex)` and a name."""

    def __init__(self, registry: bytes | mmap.mmap = b"") -> None:
        self._registry = registry
        self._known: dict[str, str] = {}

    def of(self, mac: Mac) -> str:
        """The vendor, `PRIVATE`, or an empty string where unknown."""
        if is_private(mac):
            return PRIVATE
        prefix = mac[:8]
        if prefix not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[prefix] = self._find(prefix)
        return self._known[prefix]

    def _find(self, prefix: str) -> str:
        """A line that assigns nothing is passed over."""
        wanted = prefix.replace(":", "-").upper().encode()
        at = self._registry.find(wanted)
        while at >= 0:
            named = _HEX.match(self._registry, at + len(wanted))
            if named and self._registry[max(at - 1, 0) : at] in (b"", b"\n"):
                return named[1].decode(errors="replace").strip()[:_NAME_CAP]
            at = self._registry.find(wanted, at + 1)
        return ""


def load(registry: Path) -> Vendors:
    """The registry in this file; none where it is missing, empty or unreadable."""
    try:
        with registry.open("rb") as opened:
            return Vendors(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):
        return Vendors()
