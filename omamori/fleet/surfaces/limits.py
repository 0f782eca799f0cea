"""How often somebody may try: counts in this process's memory, bounded, with the clock passed in.

Each gunicorn process counts for itself, so the fleet as a whole allows `workers` times as many.
"""

import ipaddress
from collections import OrderedDict

KEYS_CAP = 20_000
"""Somebodies remembered; the one heard of longest ago is forgotten first."""


class RateLimit:
    """At most `limit` tries in any `seconds`-long slot, for each key."""

    def __init__(self, limit: int, *, seconds: float = 60.0) -> None:
        self._limit, self._seconds = limit, seconds
        self._slots: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def allows(self, key: str, now: float) -> bool:
        """Count this try; False where it is one too many."""
        slot = int(now // self._seconds)
        before, count = self._slots.pop(key, (slot, 0))
        count = count + 1 if before == slot else 1
        self._slots[key] = (slot, count)
        if len(self._slots) > KEYS_CAP:
            self._slots.popitem(last=False)
        return count <= self._limit


def network_of(address: str) -> str:
    """Who an address stands for: itself, or the /64 of an IPv6 one, which a single line has all of."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed.ipv4_mapped if parsed.version == 6 else parsed)
