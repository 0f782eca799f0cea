"""PPPoE discovery and session headers (RFC 2516). Pure; what a session carries is not read."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from omamori.firmware.lan.errors import BadFrame

_HEAD = struct.Struct("!BBHH")
_CONCENTRATOR_NAME = 0x0102
_MOST_TAGS = 32
_NAME_CAP = 64


class Code(IntEnum):
    """RFC 2516 5; 0 is a session frame."""

    SESSION = 0x00
    PADO = 0x07
    PADI = 0x09
    PADR = 0x19
    PADS = 0x65
    PADT = 0xA7


FROM_CLIENT = frozenset({Code.PADI, Code.PADR})
"""Sent only by the end that dials: the router."""
FROM_CONCENTRATOR = frozenset({Code.PADO, Code.PADS})
"""Sent only by the provider's end."""


@dataclass(frozen=True, slots=True)
class Pppoe:
    """One PPPoE frame."""

    code: Code
    session: int
    concentrator: str = ""
    """AC-Name of a PADO, where given."""


def parse(data: bytes) -> Pppoe:
    """Raises BadFrame. The length field may run past the end: session frames are captured cut."""
    if len(data) < _HEAD.size:
        raise BadFrame(f"PPPoE of {len(data)} bytes")
    version, code, session, length = _HEAD.unpack_from(data)
    if version != 0x11:
        raise BadFrame(f"PPPoE version and type {version:#04x}")
    if code not in set(Code):
        raise BadFrame(f"PPPoE code {code:#04x}")
    tags = data[_HEAD.size : _HEAD.size + length]
    return Pppoe(Code(code), session, _concentrator(tags) if code == Code.PADO else "")


def _concentrator(tags: bytes) -> str:
    offset = 0
    for _ in range(_MOST_TAGS):
        if len(tags) < offset + 4:
            break
        kind, length = struct.unpack_from("!HH", tags, offset)
        if kind == _CONCENTRATOR_NAME:
            return _printable(tags[offset + 4 : offset + 4 + min(length, _NAME_CAP)])
        offset += 4 + length
    return ""


def _printable(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return "".join(letter for letter in text if letter.isprintable())
