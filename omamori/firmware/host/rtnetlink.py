"""The kernel's view of interfaces, neighbours, addresses and routes: rtnetlink(7) over a raw socket, one question at a time.

The kernel checks questions strictly (NETLINK_GET_STRICT_CHK), and so answers with what was asked for and no more. What it says is taken
apart by `netlink`'s functions, which raise for no bytes at all.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, Self

from omamori.firmware.host import netlink as nl

NEWLINK, GETLINK, SETLINK = 16, 18, 19
GETADDR, GETROUTE, GETNEIGH = 22, 26, 30
LINK, ADDRESS, ROUTE, NEIGHBOUR = (struct.Struct(form) for form in ("=BxHiII", "=BBBBI", "=8BI", "=BxHiHBB"))
"""ifinfomsg, ifaddrmsg, rtmsg (linux/rtnetlink.h, if_addr.h) and ndmsg (linux/neighbour.h): attributes follow each."""
_STRICT: Final = 12
_WAIT: Final = 5.0
"""Seconds until an answer is given up."""


class RouteSocket:
    """Close it, or use it in a `with`. Everything raises OSError with the kernel's reason, or where it does not answer."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._asked = 0
        try:
            self._socket.setsockopt(nl.SOL_NETLINK, _STRICT, 1)
            self._socket.settimeout(_WAIT)
            self._socket.bind((0, 0))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def one(self, kind: int, content: bytes) -> memoryview:
        """The answer to a question after one thing; `content` is a header and its attributes, and so is what comes back."""
        self._send(kind, content, flags=nl.REQUEST)
        for answer in self._answers():
            return answer
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))

    def all(self, kind: int, content: bytes, *, most: int) -> list[memoryview]:
        """The answers to a question after all of a kind. More than `most` are dropped: the next question is heard all the same."""
        self._send(kind, content, flags=nl.REQUEST | nl.DUMP)
        found: list[memoryview] = []
        for answer in self._answers():
            if len(found) < most:
                found.append(answer)
        return found

    def change(self, kind: int, content: bytes) -> None:
        """Order something, and wait until it is done."""
        self._send(kind, content, flags=nl.REQUEST | nl.ACK)
        for _ in self._answers():
            pass

    def _send(self, kind: int, content: bytes, *, flags: int) -> None:
        self._asked = (self._asked + 1) & 0xFFFFFFFF
        self._socket.send(nl.framed(kind, content, flags=flags, sequence=self._asked))

    def _answers(self) -> Iterator[memoryview]:
        """To the last question only, until the kernel says that it is done; what a question given up left behind is passed over."""
        while True:
            for kind, sequence, body in nl.frames(memoryview(self._socket.recv(nl.RECEIVE))):
                if sequence != self._asked:
                    continue
                if kind in {nl.DONE, nl.ERROR}:
                    nl.refused(body)
                    return
                yield body


def fields(form: struct.Struct, value: memoryview) -> tuple[int, ...]:
    """The numbers that a value begins with. Raises OSError where it is cut off."""
    if len(value) < form.size:
        raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
    return form.unpack_from(value)


def attributes(header: struct.Struct, answer: memoryview) -> dict[int, memoryview]:
    """What follows the header of an answer; nothing where it is cut off."""
    return nl.attributes(answer[header.size :])


def text(value: str) -> bytes:
    """A name as the kernel takes it."""
    return os.fsencode(value) + b"\0"
