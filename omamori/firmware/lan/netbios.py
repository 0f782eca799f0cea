"""NetBIOS over UDP: names that Windows and Samba register, and what a computer announces to the browser service.

Name service on port 137 (RFC 1002 4.2), datagrams on port 138 (RFC 1002 4.4) with host announcements ([MS-BRWS] 2.2.1). Pure.
"""

import struct
from typing import Final

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.hint import Hint, Source, means_something, text
from omamori.firmware.lan.internet import Address

NAME_PORT: Final = 137
DATAGRAM_PORT: Final = 138
_REGISTERS: Final = frozenset({5, 8, 9, 15})
"""Opcodes: registration, refresh (two numbers for it), multi-homed registration."""
_COMPUTER: Final = frozenset({0x00, 0x20})
_GROUP: Final = 0x8000
_MAILSLOT: Final = b"\\MAILSLOT\\BROWSE\x00"
_ANNOUNCES: Final = frozenset({0x01, 0x0F})
"""Host announcement, local master announcement."""
_PRINT_SERVER, _SERVER_NT, _NAS = 0x200, 0x8000, 0x800
_SYSTEMS: Final = {
    (5, 0): "Windows 2000",
    (5, 1): "Windows XP",
    (5, 2): "Windows Server 2003",
    (6, 0): "Windows Vista",
    (6, 1): "Windows 7",
    (6, 2): "Windows 8",
    (6, 3): "Windows 8.1",
    (10, 0): "Windows 10",
}


def parse_name_service(sender: Address, datagram: bytes) -> Hint | None:
    """A computer's registration of its own name; None for everything else. Raises BadFrame."""
    if len(datagram) < 12:
        raise BadFrame(f"NetBIOS name service of {len(datagram)} bytes")
    _, flags, asked, _, _, additional = struct.unpack_from("!6H", datagram)
    if flags & 0x8000 or flags >> 11 & 0x0F not in _REGISTERS or asked != 1 or additional != 1:
        return None
    name, suffix, end = _name(datagram, 12)
    (group,) = struct.unpack_from("!H", datagram, len(datagram) - 6)
    if suffix not in _COMPUTER or group & _GROUP or end > len(datagram):
        return None
    return Hint(Source.NETBIOS, sender=sender, name=name) if means_something(name) else None


def parse_datagram(sender: Address, datagram: bytes) -> Hint | None:
    """The sender's name, and what it announces of its system; None where there is neither. Raises BadFrame."""
    if len(datagram) < 14:
        raise BadFrame(f"NetBIOS datagram of {len(datagram)} bytes")
    if datagram[0] not in {0x10, 0x11, 0x12}:
        return None
    name, suffix, _ = _name(datagram, 14)
    if suffix not in _COMPUTER or not means_something(name):
        return None
    system, services = _announced(datagram)
    return Hint(Source.NETBIOS, sender=sender, name=name, system=system, services=services)


def _announced(datagram: bytes) -> tuple[str, tuple[str, ...]]:
    """System and roles of a host announcement."""
    start = datagram.find(_MAILSLOT)
    body = datagram[start + len(_MAILSLOT) :] if start >= 0 else b""
    if len(body) < 32 or body[0] not in _ANNOUNCES:
        return "", ()
    version = (body[22], body[23])
    (roles,) = struct.unpack_from("<I", body, 24)
    comment = text(body[32:].split(b"\0")[0])
    samba = "samba" in comment.lower() or bool(roles & _NAS)
    server = (
        f"netbios-{word}" for word, bit in (("server", _SERVER_NT), ("print", _PRINT_SERVER)) if roles & bit
    )
    return "Samba" if samba else _SYSTEMS.get(version, ""), tuple(server)


def _name(data: bytes, offset: int) -> tuple[str, int, int]:
    """A first-level encoded name: text, suffix, and where the next thing begins. Raises BadFrame."""
    encoded = data[offset + 1 : offset + 33]
    if len(encoded) < 32 or data[offset] != 32:
        raise BadFrame("no NetBIOS name where one belongs")
    if any(not 0x41 <= letter <= 0x50 for letter in encoded):
        raise BadFrame("a NetBIOS name that is not encoded")
    pairs = zip(encoded[::2], encoded[1::2], strict=True)
    raw = bytes((high - 0x41) << 4 | (low - 0x41) for high, low in pairs)
    decoded = raw[:15].decode("cp932", "replace") if any(raw[:15]) else ""
    return text(decoded), raw[15], offset + 34
