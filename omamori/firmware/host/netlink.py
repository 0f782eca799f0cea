"""Messages of the kernel over a raw netlink socket (netlink(7)), with `struct` only: their frames and their attributes.

Parsing never raises for any bytes: it stops where a length cannot be. What a message is about is for `netfilter` and `rtnetlink`.
Source: linux/netlink.h.
"""

import os
import struct
from collections.abc import Iterator
from typing import Final

SOL_NETLINK: Final = 270
RCVBUFFORCE: Final = 33
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
RECEIVE: Final = 256 * 1024

_HEAD = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED: Final = 0x8000
_KIND_MASK: Final = 0x3FFF


def frames(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Type, sequence number and content of each netlink message in one datagram, whatever it is about."""
    at = 0
    while at + _HEAD.size <= len(data):
        length, kind, _, sequence, _ = _HEAD.unpack_from(data, at)
        if length < _HEAD.size or at + length > len(data):
            return
        yield kind, sequence, data[at + _HEAD.size : at + length]
        at += (length + 3) & ~3


def attributes(body: memoryview) -> dict[int, memoryview]:
    """By type; of one that comes twice the last counts."""
    found: dict[int, memoryview] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, at)
        if size < _ATTRIBUTE.size or at + size > len(body):
            break
        found[kind & _KIND_MASK] = body[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
    return found


def framed(kind: int, content: bytes, *, flags: int, sequence: int = 0) -> bytes:
    """A netlink message about anything."""
    return _HEAD.pack(_HEAD.size + len(content), kind, flags, sequence, 0) + content


def attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(parts))


def refused(body: memoryview) -> None:
    """The end of an answer, as NLMSG_ERROR and NLMSG_DONE say it. Raises OSError with the kernel's reason, if there is one."""
    code = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
    if code:
        raise OSError(-code, os.strerror(-code))
