"""Which packet a worker was busy with when it was killed or hung, so that the next worker does not die of it too.

A worker notes the beginning of each packet in memory that it shares with its nursery. When it ends by a signal in the middle of
one, the nursery makes that packet's flow exempt: every later worker of this generation lets the flow pass, decided.
"""

import mmap
from collections import deque
from ipaddress import ip_address
from typing import Final

_NOTED: Final = 128
"""Bytes: an IPv6 header with some extensions, and the ports."""
_MOST: Final = 64

_Key = tuple[frozenset[bytes], frozenset[bytes]]
"""Addresses and ports, in no order."""


class LastPacket:
    """Made before the fork; one side notes, the other reads."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)

    def note(self, data: bytes) -> None:
        """Inspection of a packet begins."""
        head = data[:_NOTED]
        self._shared[1 : 1 + len(head)] = head
        self._shared[0] = len(head)

    def clear(self) -> None:
        """Nothing is under inspection."""
        self._shared[0] = 0

    def read(self) -> bytes:
        """The beginning of the packet under inspection; empty where there is none."""
        return bytes(self._shared[1 : 1 + self._shared[0]])

    def close(self) -> None:
        self._shared.close()


class Exempt:
    """Flows whose packets ended a worker; the newest only."""

    def __init__(self) -> None:
        self._keys: deque[_Key] = deque(maxlen=_MOST)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def add(self, head: bytes) -> str:
        """Who talks with whom, for people; empty where the bytes say nothing or say it again."""
        key = _key(head)
        if key is None or key in self._keys:
            return ""
        self._keys.append(key)
        addresses, ports = key
        ends = " and ".join(str(ip_address(address)) for address in addresses)
        return f"{ends}, ports {' and '.join(str(int.from_bytes(port, 'big')) for port in ports)}"

    def has(self, data: bytes) -> bool:
        return _key(data) in self._keys


def _key(data: bytes) -> _Key | None:
    """Extension headers of IPv6 are not skipped: what stands there serves as ports."""
    if len(data) < 20:
        return None
    if data[0] >> 4 == 4:
        at, ends = (data[0] & 15) * 4, (data[12:16], data[16:20])
    elif len(data) < 40:
        return None
    else:
        at, ends = 40, (data[8:24], data[24:40])
    return frozenset(ends), frozenset((data[at : at + 2], data[at + 2 : at + 4]))
