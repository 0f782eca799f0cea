"""The kernel's connection table: how many bytes each flow carried, which flows ended, and marks set on them.

Counting is the kernel's: nothing here sees a packet. A whole table is read in one go now and then; ends come as events,
which the kernel drops when nobody takes them in time (the next reading or nothing makes up for that).
Source: linux/netfilter/nfnetlink_conntrack.h.
"""

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, Self

from omamori.firmware.host import netfilter as nf
from omamori.firmware.host import netlink as nl

_NEW, _GET, _DELETE = 0x0100, 0x0101, 0x0102
_DESTROYED: Final = 1 << 2
"""The multicast group NFNLGRP_CONNTRACK_DESTROY, as bind(2) takes it."""
_TUPLE, _MARK, _COUNTED, _COUNTED_BACK, _ID, _MARK_MASK = 1, 8, 9, 10, 12, 21
_ADDRESSES, _PROTOCOL = 1, 2
_V4, _V4_TO, _V6, _V6_TO = 1, 2, 3, 4
_NUMBER, _PORT, _PORT_TO = 1, 2, 3
_BYTES: Final = 2
_WAIT: Final = 5.0
"""Seconds until a dump that says nothing more is given up."""


class ConntrackError(OSError):
    """The table cannot be read: no permission, or not in this kernel."""


class Tuple(NamedTuple):
    """A flow as its first packet was: who opened it, and to whom. Addresses are packed."""

    protocol: int
    source: bytes
    source_port: int
    destination: bytes
    destination_port: int


class Entry(NamedTuple):
    """A flow with its counters, which are 0 while accounting is off."""

    flow: Tuple
    identity: int
    """Tells two flows of one tuple apart."""
    mark: int
    forth: int
    """Bytes from who opened it."""
    back: int
    ended: bool


class Connections:
    """Two sockets: one for requests, one for ends. `fileno` is the latter's."""

    def __init__(self, *, buffer: int = 4 << 20) -> None:
        """Raises ConntrackError."""
        self.overruns = 0
        """How often events were dropped because they were not taken in time."""
        try:
            self._requests = _open(0)
            self._events = _open(_DESTROYED)
        except OSError as error:
            raise ConntrackError(error.errno, f"connection table: {error.strerror}") from error
        with contextlib.suppress(PermissionError):
            self._events.setsockopt(socket.SOL_SOCKET, nl.RCVBUFFORCE, buffer)
        self._events.setblocking(False)
        self._requests.settimeout(_WAIT)

    def fileno(self) -> int:
        return self._events.fileno()

    def ended(self) -> list[Entry]:
        """The ends of the next datagram; none when nothing waits."""
        try:
            data = self._events.recv(nl.RECEIVE)
        except BlockingIOError:
            return []
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self.overruns += 1
            return []
        return list(parse(memoryview(data)))

    def table(self) -> Iterator[Entry]:
        """Every flow now, of both families. Raises ConntrackError."""
        for family in (socket.AF_INET, socket.AF_INET6):
            request = nf.message(_GET, family=family, resource=0, content=b"", flags=nl.REQUEST | nl.DUMP)
            try:
                self._requests.send(request)
                yield from self._dumped()
            except OSError as error:
                raise ConntrackError(error.errno, f"connection table: {error}") from error

    def mark(self, flow: Tuple, mark: int, mask: int) -> bool:
        """Change the bits of `mask` in a flow's mark; False where it is gone. Raises ConntrackError."""
        family = socket.AF_INET if len(flow.source) == 4 else socket.AF_INET6
        content = _tuple(flow) + nl.attribute(_MARK, struct.pack(">I", mark))
        content += nl.attribute(_MARK_MASK, struct.pack(">I", mask))
        request = nf.message(_NEW, family=family, resource=0, content=content, flags=nl.REQUEST | nl.ACK)
        try:
            nf.asked(self._requests, request)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise ConntrackError(error.errno, f"connection table: {error}") from error
        return True

    def close(self) -> None:
        self._requests.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _dumped(self) -> Iterator[Entry]:
        while True:
            data = memoryview(self._requests.recv(nl.RECEIVE))
            for message in nf.messages(data):
                if message.kind == nl.DONE:
                    return
                if message.kind == nl.ERROR:
                    code = -struct.unpack_from("=i", message.body)[0] if len(message.body) >= 4 else errno.EIO
                    raise OSError(code, "the kernel refused")
            yield from parse(data)


def parse(data: memoryview) -> Iterator[Entry]:
    """The flows in one datagram; a message that is none is skipped."""
    for message in nf.messages(data):
        if message.kind in (_NEW, _DELETE):
            entry = _entry(nl.attributes(message.body), ended=message.kind == _DELETE)
            if entry is not None:
                yield entry


def _entry(found: dict[int, memoryview], *, ended: bool) -> Entry | None:
    flow = _flow(found.get(_TUPLE))
    if flow is None:
        return None
    counted, back = (_bytes(found.get(kind)) for kind in (_COUNTED, _COUNTED_BACK))
    return Entry(flow, nf.number(found.get(_ID)), nf.number(found.get(_MARK)), counted, back, ended)


def _flow(body: memoryview | None) -> Tuple | None:
    if body is None:
        return None
    parts = nl.attributes(body)
    addresses = nl.attributes(parts.get(_ADDRESSES, memoryview(b"")))
    ports = nl.attributes(parts.get(_PROTOCOL, memoryview(b"")))
    source = addresses.get(_V4) or addresses.get(_V6)
    destination = addresses.get(_V4_TO) or addresses.get(_V6_TO)
    if source is None or destination is None or len(source) not in (4, 16) or len(source) != len(destination):
        return None
    return Tuple(
        nf.number(ports.get(_NUMBER)) & 0xFF,
        bytes(source),
        nf.number(ports.get(_PORT)) & 0xFFFF,
        bytes(destination),
        nf.number(ports.get(_PORT_TO)) & 0xFFFF,
    )


def _bytes(counters: memoryview | None) -> int:
    return nf.number(nl.attributes(counters).get(_BYTES)) & (2**63 - 1) if counters is not None else 0


def _tuple(flow: Tuple) -> bytes:
    one, other = (_V4, _V4_TO) if len(flow.source) == 4 else (_V6, _V6_TO)
    return nl.nested(
        _TUPLE,
        nl.nested(_ADDRESSES, nl.attribute(one, flow.source), nl.attribute(other, flow.destination)),
        nl.nested(
            _PROTOCOL,
            nl.attribute(_NUMBER, bytes([flow.protocol])),
            nl.attribute(_PORT, struct.pack(">H", flow.source_port)),
            nl.attribute(_PORT_TO, struct.pack(">H", flow.destination_port)),
        ),
    )


def _open(groups: int) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    opened = socket.socket(socket.AF_NETLINK, kind, nf.NETLINK_NETFILTER)
    try:
        opened.bind((0, groups))
    except OSError:
        opened.close()
        raise
    return opened
