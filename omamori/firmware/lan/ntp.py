"""Time servers' answers, overheard (RFC 5905 7.3). Pure."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from omamori.firmware.lan.errors import BadFrame

PORT: Final = 123
_SERVER: Final = 4
_EPOCH: Final = datetime(1900, 1, 1, tzinfo=UTC)
_ERA: Final = timedelta(seconds=2**32)
_PIVOT: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""No answer is older: a smaller number is of the next era (from 2036)."""


@dataclass(frozen=True, slots=True)
class TimeSignal:
    """A server's clock when it answered."""

    server: IPv4Address | IPv6Address
    time: datetime


def parse(server: IPv4Address | IPv6Address, datagram: bytes) -> TimeSignal | None:
    """None for anything but the answer of a synchronised server. Raises BadFrame."""
    if len(datagram) < 48:
        raise BadFrame(f"NTP of {len(datagram)} bytes")
    unsynchronised, mode, stratum = datagram[0] >> 6 == 3, datagram[0] & 7, datagram[1]
    if mode != _SERVER or unsynchronised or not 1 <= stratum <= 15:
        return None
    seconds, fraction = struct.unpack_from("!II", datagram, 40)
    time = _EPOCH + timedelta(seconds=seconds + fraction / 2**32)
    return TimeSignal(server, time if time >= _PIVOT else time + _ERA)
