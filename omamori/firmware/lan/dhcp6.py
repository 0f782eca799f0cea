"""DHCPv6 as clients send it: their identity on all interfaces, their name (RFC 8415 8, 11, 21; client FQDN RFC 4704). Pure."""

import struct
from typing import Final

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.hint import Hint, Source, means_something, text
from omamori.firmware.lan.internet import Address

PORTS: Final = frozenset({546, 547})
_FROM_CLIENT: Final = frozenset({1, 3, 4, 5, 6, 8, 9, 11})
_CLIENT_ID, _VENDOR_CLASS, _FQDN = 1, 16, 39
_MOST_OPTIONS: Final = 40
_MOST_IDENTITY: Final = 130


def parse(sender: Address, datagram: bytes) -> Hint | None:
    """None for servers' messages and relayed ones. Raises BadFrame."""
    if len(datagram) < 4:
        raise BadFrame(f"DHCPv6 of {len(datagram)} bytes")
    if datagram[0] not in _FROM_CLIENT:
        return None
    options = _options(datagram[4:])
    name = _name(options.get(_FQDN, b""))
    identity = options.get(_CLIENT_ID, b"")[:_MOST_IDENTITY].hex()
    system = text(options.get(_VENDOR_CLASS, b"")[6:])
    if not (name or identity):
        return None
    return Hint(Source.DHCPV6, sender=sender, name=name, identity=identity, system=system)


def _options(field: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    for _ in range(_MOST_OPTIONS):
        if offset + 4 > len(field):
            break
        kind, length = struct.unpack_from("!HH", field, offset)
        found.setdefault(kind, field[offset + 4 : offset + 4 + length])
        offset += 4 + length
    return found


def _name(option: bytes) -> str:
    """The first label of the name in DNS form behind the flags."""
    if len(option) < 3 or not 0 < option[1] <= 63:
        return ""
    name = text(option[2 : 2 + option[1]])
    return name if means_something(name) else ""
