"""Copies of packets that kernel rules send to a log group: lossy, in batches, never in the way of the packets.

The kernel keeps a bounded number of copies for us and drops the rest. No bytes from the socket make anything here raise.
Source: linux/netfilter/nfnetlink_log.h and net/netfilter/nfnetlink_log.c.
"""

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, Self

from omamori.firmware.host import netfilter as nf
from omamori.firmware.host import netlink as nl

_PACKET, _CONFIG = 0x0400, 0x0401
_BIND: Final = 1
_COPY_PACKET: Final = 2
_CFG_CMD, _CFG_MODE, _CFG_NLBUFSIZ, _CFG_TIMEOUT, _CFG_QTHRESH, _CFG_FLAGS = range(1, 7)
_SEQUENCE_FLAG: Final = 1
_PHYSIN, _IN, _PAYLOAD, _PREFIX, _SEQUENCE = 6, 4, 9, 10, 13
_BATCH: Final = 64
"""Copies in one datagram at most; fewer after a tenth of a second."""


class NflogError(OSError):
    """A group cannot be opened: no permission, taken, or not in this kernel."""


class Copy(NamedTuple):
    """One copy. `data` is an IP packet, cut at the length that the rules or the group say."""

    data: bytes
    in_port: int
    """Interface index of the bridge port it came in by; of the interface where it was not bridged."""
    sequence: int | None
    """Counts the group's copies, so that a gap tells how many were lost."""
    prefix: bytes = b""
    """What the rule that copied it says beside it."""


class PacketLog:
    """A bound group. Never blocks."""

    def __init__(
        self, group: int, *, longest: int = 2048, buffer: int = 4 << 20, at_once: bool = False
    ) -> None:
        """`at_once`: each copy comes alone, before the packet has left. Raises NflogError."""
        self.missed = 0
        """Copies that the kernel had to drop."""
        self._last: int | None = None
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, nf.NETLINK_NETFILTER)
        try:
            self._configure(group, longest, buffer, 1 if at_once else _BATCH)
        except OSError as error:
            self._socket.close()
            raise NflogError(error.errno, f"log group {group}: {error.strerror}") from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[Copy]:
        """The copies of the next datagram; none when nothing waits."""
        try:
            data = self._socket.recv(nl.RECEIVE)
        except BlockingIOError:
            return []
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return []
        found = list(parse(memoryview(data)))
        for copy in found:
            self._count(copy.sequence)
        return found

    def close(self) -> None:
        """Unbind; the rules' copies go nowhere then."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self, sequence: int | None) -> None:
        if sequence is None:
            return
        if self._last is not None:
            self.missed += min((sequence - self._last - 1) & 0xFFFFFFFF, 1 << 20)
        self._last = sequence

    def _configure(self, group: int, longest: int, buffer: int, batch: int) -> None:
        self._socket.bind((0, 0))
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, nl.RCVBUFFORCE, buffer)
        settings = (
            nl.attribute(_CFG_CMD, struct.pack(">B", _BIND)),
            nl.attribute(_CFG_MODE, struct.pack(">IBB", longest, _COPY_PACKET, 0)),
            nl.attribute(_CFG_NLBUFSIZ, struct.pack(">I", 1 << 17)),
            nl.attribute(_CFG_TIMEOUT, struct.pack(">I", 10)),  # hundredths of a second
            nl.attribute(_CFG_QTHRESH, struct.pack(">I", batch)),
            nl.attribute(_CFG_FLAGS, struct.pack(">H", _SEQUENCE_FLAG)),
        )
        for setting in settings:
            request = nf.message(
                _CONFIG, family=0, resource=group, content=setting, flags=nl.REQUEST | nl.ACK
            )
            nf.asked(self._socket, request)
        self._socket.setblocking(False)


def parse(data: memoryview) -> Iterator[Copy]:
    """The copies in one datagram; what is none is skipped."""
    for message in nf.messages(data):
        if message.kind != _PACKET:
            continue
        found = nl.attributes(message.body)
        payload = found.get(_PAYLOAD)
        if payload is not None and len(payload):
            port = nf.number(found.get(_PHYSIN)) or nf.number(found.get(_IN))
            sequence = found.get(_SEQUENCE)
            counted = nf.number(sequence) if sequence is not None else None
            yield Copy(bytes(payload), port, counted, bytes(found.get(_PREFIX, b"")).rstrip(b"\0"))
