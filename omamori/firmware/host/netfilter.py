"""Messages of the kernel over a raw netlink socket, above all of its netfilter subsystems, with `struct` only.

Parsing never raises for any bytes: it stops where a length cannot be. Source: linux/netlink.h, linux/netfilter/nfnetlink.h.
"""

import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

NETLINK_NETFILTER: Final = 12
SOL_NETLINK: Final = 270
NO_ENOBUFS: Final = 5
RCVBUFFORCE: Final = 33
REQUEST, MULTI, ACK, DUMP = 0x1, 0x2, 0x4, 0x300
ERROR, DONE = 2, 3
RECEIVE: Final = 256 * 1024

_HEAD = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED: Final = 0x8000
_KIND_MASK: Final = 0x3FFF


class Message(NamedTuple):
    """One message: its type, the address family it speaks of, and the bytes of its attributes."""

    kind: int
    family: int
    resource: int
    body: memoryview


def frames(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Type, sequence number and content of each netlink message in one datagram, whatever it is about."""
    at = 0
    while at + _HEAD.size <= len(data):
        length, kind, _, sequence, _ = _HEAD.unpack_from(data, at)
        if length < _HEAD.size or at + length > len(data):
            return
        yield kind, sequence, data[at + _HEAD.size : at + length]
        at += (length + 3) & ~3


def messages(data: memoryview) -> Iterator[Message]:
    """The messages of one datagram."""
    for kind, _, body in frames(data):
        if kind in (ERROR, DONE):
            yield Message(kind, 0, 0, body)
        elif len(body) >= _GENERIC.size:
            family, _, resource = _GENERIC.unpack_from(body)
            yield Message(kind, family, resource, body[_GENERIC.size :])


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


def message(kind: int, *, family: int, resource: int, content: bytes, flags: int) -> bytes:
    return framed(kind, _GENERIC.pack(family, 0, resource) + content, flags=flags)


def framed(kind: int, content: bytes, *, flags: int, sequence: int = 0) -> bytes:
    """A netlink message about anything."""
    return _HEAD.pack(_HEAD.size + len(content), kind, flags, sequence, 0) + content


def attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(parts))


def number(value: memoryview | None) -> int:
    """A big-endian number; 0 where there is none."""
    return int.from_bytes(value, "big") if value is not None else 0


def asked(sock: socket.socket, request: bytes) -> None:
    """Send a request that wants an acknowledgement, and wait for it. Raises OSError with the kernel's reason."""
    sock.send(request)
    while True:
        for found in messages(memoryview(sock.recv(RECEIVE))):
            if found.kind == ERROR:
                refused(found.body)
                return


def refused(body: memoryview) -> None:
    """The end of an answer, as NLMSG_ERROR and NLMSG_DONE say it. Raises OSError with the kernel's reason, if there is one."""
    code = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
    if code:
        raise OSError(-code, os.strerror(-code))
