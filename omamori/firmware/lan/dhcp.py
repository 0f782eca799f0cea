"""DHCP for IPv4 inside an IP packet (RFC 2131, options RFC 2132, overload 52, client FQDN RFC 4702). Pure.

Only what a passive listener needs is kept. A fragment, a cut packet or an option that overruns is BadFrame or ends
the options; nothing here loops over more than the packet's own bytes.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.ethernet import mac_text
from omamori.protocol.ids import Mac

_COOKIE = b"\x63\x82\x53\x63"
_FIXED = 236
_PAD, _END = 0, 255
_ROUTERS, _HOST_NAME, _OVERLOAD, _MESSAGE, _SERVER = 3, 12, 52, 53, 54
_PARAMETERS, _VENDOR_CLASS, _CLIENT_ID, _FQDN = 55, 60, 61, 81
_DUID: Final = 255
"""The type of a client identifier that ends in a DUID (RFC 4361 6.1): behind it four bytes that number the interface."""
_TEXT_CAP = 64
_LONGEST_LABEL = 63
_MOST_ROUTERS = 8


class MessageType(IntEnum):
    """Option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


@dataclass(frozen=True, slots=True)
class Dhcp:
    """One message; unspecified addresses are None."""

    message: MessageType
    from_server: bool
    client: Mac
    client_address: IPv4Address | None = None
    """`ciaddr`: what the client already uses."""
    offered: IPv4Address | None = None
    """`yiaddr`: what the server gives."""
    relay: IPv4Address | None = None
    """`giaddr`: set where a relay agent stands between."""
    server: IPv4Address | None = None
    """Server identifier, or the source address of a server's message without one."""
    routers: tuple[IPv4Address, ...] = ()
    host_name: str = ""
    vendor_class: str = ""
    parameters: tuple[int, ...] = ()
    """Option 55 in the client's order: a fingerprint of its system."""
    identity: str = ""
    """The DUID in the client identifier, in hex: one for all interfaces of a device. Empty where it sends none."""


def parse(packet: bytes) -> Dhcp | None:
    """An IPv4 packet's DHCP message; None where it is not UDP between ports 67 and 68. Raises BadFrame."""
    datagram = _datagram(packet)
    if datagram is None:
        return None
    source, body = datagram
    if len(body) < _FIXED + 4 or body[_FIXED : _FIXED + 4] != _COOKIE:
        raise BadFrame("BOOTP without DHCP, or cut")
    if body[0] not in {1, 2} or body[1] != 1 or body[2] != 6:
        raise BadFrame("DHCP that is not for Ethernet")
    return _message(source, body, _options(body))


def _datagram(packet: bytes) -> tuple[IPv4Address, bytes] | None:
    """Source address and UDP payload of a DHCP datagram."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        raise BadFrame("not an IPv4 packet")
    head = (packet[0] & 0x0F) * 4
    (fragment,) = struct.unpack_from("!H", packet, 6)
    if packet[9] != 17 or fragment & 0x3FFF:
        return None
    if head < 20 or len(packet) < head + 8:
        raise BadFrame("IPv4 header overruns the packet")
    source_port, target_port, length = struct.unpack_from("!HHH", packet, head)
    if not {source_port, target_port} <= {67, 68}:
        return None
    return IPv4Address(packet[12:16]), packet[head + 8 : head + max(length, 8)]


def _message(source: IPv4Address, body: bytes, options: dict[int, bytes]) -> Dhcp:
    kind = options.get(_MESSAGE, b"")
    if len(kind) != 1 or kind[0] not in set(MessageType):
        raise BadFrame("DHCP without a message type")
    from_server = body[0] == 2
    return Dhcp(
        message=MessageType(kind[0]),
        from_server=from_server,
        client=mac_text(body[28:34]),
        client_address=_address(body[12:16]),
        offered=_address(body[16:20]),
        relay=_address(body[24:28]),
        server=_address(options.get(_SERVER, b"")) or (_given(source) if from_server else None),
        routers=_addresses(options.get(_ROUTERS, b"")),
        host_name=_name(options),
        vendor_class=_text(options.get(_VENDOR_CLASS, b"")),
        parameters=tuple(options.get(_PARAMETERS, b"")),
        identity=_identity(options.get(_CLIENT_ID, b"")),
    )


def _options(body: bytes) -> dict[int, bytes]:
    """Options of the options field and of `file` and `sname` where overloaded; repeated ones are joined (RFC 3396)."""
    found: dict[int, bytes] = {}
    _collect(body[_FIXED + 4 :], found)
    overload = found.get(_OVERLOAD, b"\0")[-1:]
    if overload in {b"\x01", b"\x03"}:
        _collect(body[108:236], found)
    if overload in {b"\x02", b"\x03"}:
        _collect(body[44:108], found)
    return found


def _collect(field: bytes, found: dict[int, bytes]) -> None:
    offset = 0
    while offset < len(field) and field[offset] != _END:
        if field[offset] == _PAD:
            offset += 1
            continue
        if offset + 2 > len(field) or offset + 2 + field[offset + 1] > len(field):
            break
        value = field[offset + 2 : offset + 2 + field[offset + 1]]
        found[field[offset]] = found.get(field[offset], b"") + value
        offset += 2 + len(value)


def _name(options: dict[int, bytes]) -> str:
    """The host name (12), or the first label of the client FQDN (81), in DNS form (flag E) or in ASCII."""
    name = _text(options.get(_HOST_NAME, b""))
    fqdn = options.get(_FQDN, b"")
    if name or len(fqdn) < 4:
        return name
    if fqdn[0] & 0x04:
        return _text(fqdn[4 : 4 + fqdn[3]]) if fqdn[3] <= _LONGEST_LABEL else ""
    return _text(fqdn[3:]).split(".", 1)[0]


def _identity(identifier: bytes) -> str:
    return identifier[5:135].hex() if len(identifier) > 7 and identifier[0] == _DUID else ""


def _text(raw: bytes) -> str:
    text = raw.rstrip(b"\0").decode("utf-8", "replace")
    return "".join(letter for letter in text if letter.isprintable())[:_TEXT_CAP].strip()


def _addresses(raw: bytes) -> tuple[IPv4Address, ...]:
    whole = range(0, min(len(raw), 4 * _MOST_ROUTERS) - 3, 4)
    return tuple(IPv4Address(raw[start : start + 4]) for start in whole)


def _address(raw: bytes) -> IPv4Address | None:
    return _given(IPv4Address(raw)) if len(raw) == 4 else None


def _given(address: IPv4Address) -> IPv4Address | None:
    return None if address.is_unspecified else address
