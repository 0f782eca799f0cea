"""Messages of the kernel's netfilter subsystems: what is theirs in a netlink message.

Parsing never raises for any bytes, as in `netlink`. Source: linux/netfilter/nfnetlink.h.
"""

import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from omamori.firmware.host import netlink as nl

NETLINK_NETFILTER: Final = 12

_GENERIC = struct.Struct(">BBH")


class Message(NamedTuple):
    """One message: its type, the address family it speaks of, and the bytes of its attributes."""

    kind: int
    family: int
    resource: int
    body: memoryview


def messages(data: memoryview) -> Iterator[Message]:
    """The messages of one datagram."""
    for kind, _, body in nl.frames(data):
        if kind in (nl.ERROR, nl.DONE):
            yield Message(kind, 0, 0, body)
        elif len(body) >= _GENERIC.size:
            family, _, resource = _GENERIC.unpack_from(body)
            yield Message(kind, family, resource, body[_GENERIC.size :])


def message(kind: int, *, family: int, resource: int, content: bytes, flags: int) -> bytes:
    return nl.framed(kind, _GENERIC.pack(family, 0, resource) + content, flags=flags)


def number(value: memoryview | None) -> int:
    """A big-endian number; 0 where there is none."""
    return int.from_bytes(value, "big") if value is not None else 0


def asked(sock: socket.socket, request: bytes) -> None:
    """Send a request that wants an acknowledgement, and wait for it. Raises OSError with the kernel's reason."""
    sock.send(request)
    while True:
        for found in messages(memoryview(sock.recv(nl.RECEIVE))):
            if found.kind == nl.ERROR:
                nl.refused(found.body)
                return
