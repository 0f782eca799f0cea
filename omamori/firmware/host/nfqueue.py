"""One kernel packet queue over a raw netlink socket, with `struct` only.

A `PacketQueue` hands out packets in the order of their ids and sends verdicts back. It never blocks, and no bytes from
the socket make it raise: a message that is not a whole packet is counted and skipped. It refuses to decide anything.
Source: linux/netfilter/nfnetlink_queue.h and net/netfilter/nfnetlink_queue.c.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import itemgetter
from typing import Final, Self

_NETLINK_NETFILTER: Final = 12
_SOL_NETLINK: Final = 270
_NO_ENOBUFS: Final = 5
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMP: Final = 29

_REQUEST, _ACK = 0x1, 0x4
_ERROR: Final = 2
_PACKET, _VERDICT, _CONFIG, _VERDICT_BATCH = (0x0300 | kind for kind in range(4))
_BIND: Final = 1
_CFG_CMD, _CFG_PARAMS, _CFG_MAXLEN, _CFG_MASK, _CFG_FLAGS = range(1, 6)
_FAIL_OPEN, _CONNTRACK, _GSO = 1, 2, 4
_COPY_PACKET: Final = 2
_HDR, _VERDICT_HDR, _MARK, _TIMESTAMP, _PHYSIN, _PHYSOUT, _HWADDR, _PAYLOAD = 1, 2, 3, 4, 7, 8, 9, 10
_CAP_LEN, _SKB_INFO = 13, 14
_WORDS: Final = frozenset((_MARK, _PHYSIN, _PHYSOUT, _SKB_INFO))
"""Attributes of four bytes."""
_IS_GSO: Final = 2
_UNVERIFIED: Final = 4
_LAYOUTS: Final[Mapping[int, tuple[str, tuple[str, ...]]]] = {
    _HDR: ("I3x", ("id",)),
    _MARK: ("I", ("mark",)),
    _TIMESTAMP: ("QQ", ("seconds", "micros")),
    _PHYSIN: ("I", ("in",)),
    _PHYSOUT: ("I", ("out",)),
    _HWADDR: ("H2x8s", ("long", "hardware")),
    _CAP_LEN: ("8x", ()),
    _SKB_INFO: ("I", ("info",)),
}
"""How the kernel writes an attribute's value; a cut copy is never of an ordinary form (`CAP_LEN` has four bytes)."""
_NAMED: Final = ("id", "mark", "seconds", "micros", "in", "out", "long", "hardware", "info")
_FORMS: Final = 8
_TRIED: Final = 64
"""Forms that a queue learns: a kernel that writes each message differently shall not cost more for it."""

_RECEIVE: Final = 128 * 1024
"""Bytes; the kernel copies at most 65,531 of a packet into one message."""
_MESSAGE = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_ATTRIBUTE = struct.Struct("=HH")
_HEAD = struct.Struct("=I")
_WORD = struct.Struct(">I")
_TIME = struct.Struct(">QQ")
_VERDICT_HEAD = struct.Struct(">II")
_BATCH = struct.Struct("=IHHIIBBHHHII")


class Answer(IntEnum):
    """What the kernel is told to do with a packet."""

    DROP = 0
    ACCEPT = 1
    REPEAT = 4
    """Go through the chain again, with the new mark."""


@dataclass(slots=True, init=False)
class QueuedPacket:
    """One packet the kernel waits about. `data` is an IP packet, with GSO as long as 64 KiB."""

    id: int
    data: bytes
    mark: int
    in_port: int
    """Interface index of the bridge port it came in by; 0 where it was not bridged."""
    hardware_source: bytes
    whole: bool
    """False where the kernel had to cut the copy."""
    out_port: int
    """Interface index of the bridge port it is to leave by; 0 where it is not bridged."""
    arrived: float
    """Seconds since the epoch at which the interface took it; 0 where the kernel keeps no such times."""
    segmented: bool
    """It stands for several segments on the wire (GSO): nothing shorter can take its place."""
    verified: bool
    """The kernel or the card found its checksum right, or it has none yet; else nobody looked at it, or it is wrong."""

    def __init__(
        self,
        number: int,
        data: bytes,
        mark: int = 0,
        in_port: int = 0,
        hardware_source: bytes = b"",
        whole: bool = True,  # noqa: FBT001, FBT002 - a record
        out_port: int = 0,
        arrived: float = 0.0,
        segmented: bool = False,  # noqa: FBT001, FBT002 - as above
        verified: bool = True,  # noqa: FBT001, FBT002 - as above
    ) -> None:
        self.id, self.data, self.mark, self.in_port = number, data, mark, in_port
        self.hardware_source, self.whole, self.out_port = hardware_source, whole, out_port
        self.arrived, self.segmented, self.verified = arrived, segmented, verified


class PacketQueue:
    """A bound queue. Verdicts are sent at once; whoever holds back an ACCEPT sends it with `accept_up_to`."""

    def __init__(
        self, number: int, *, gso: bool, longest: int = 1 << 20, buffer: int = 64 * 1024 * 1024
    ) -> None:
        """Bind queue `number` with fail-open. Raises OSError: no permission, taken by another process, or not in this kernel."""
        self.number = number
        self.skipped = 0
        """Messages that were no packet: errors about packets the kernel gave up, or garbage."""
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
        )
        self._room = bytearray(_RECEIVE)
        self._view = memoryview(self._room)
        self._forms = Forms()
        try:
            self._configure(gso=gso, longest=longest, buffer=buffer)
        except OSError as error:
            self._socket.close()
            raise OSError(error.errno, f"queue {number}: {os.strerror(error.errno or 0)}") from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> QueuedPacket | None:
        """The next packet, or None when nothing waits."""
        while True:
            try:
                size = self._socket.recv_into(self._room)
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:
                self.skipped += 1
                return None
            packet = self._forms.parse(self._view[:size])
            if packet is not None:
                return packet
            self.skipped += 1

    def verdict(
        self, packet: int, answer: Answer, *, mark: int | None = None, payload: bytes | None = None
    ) -> None:
        """Answer one packet. A packet the kernel gave up meanwhile is no error."""
        parts = [_attribute(_VERDICT_HDR, _VERDICT_HEAD.pack(answer, packet))]
        if mark is not None:
            parts.append(_attribute(_MARK, struct.pack(">I", mark)))
        if payload is not None:
            parts.append(_attribute(_PAYLOAD, payload))
        self._send(_message(_VERDICT, self.number, b"".join(parts)))

    def accept_up_to(self, packet: int) -> None:
        """Accept every packet not yet answered whose id is at most this one."""
        self._send(_BATCH.pack(32, _VERDICT_BATCH, _REQUEST, 0, 0, 0, 0, socket.htons(self.number), 12, _VERDICT_HDR,
                               socket.htonl(Answer.ACCEPT), socket.htonl(packet)))  # fmt: skip

    def close(self) -> None:
        """Unbind. What the kernel still held is dropped; new packets pass by the rules' bypass."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: bytes) -> None:
        """A verdict that cannot be sent leaves the packet to the kernel's own fail-open."""
        with contextlib.suppress(OSError):
            self._socket.send(message)

    def _configure(self, *, gso: bool, longest: int, buffer: int) -> None:
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        # While any socket of the machine wants times, the kernel notes when each packet came in, and tells us.
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 1)
        self._ask(_attribute(_CFG_CMD, struct.pack(">BBH", _BIND, 0, 0)))
        self._ask(_attribute(_CFG_PARAMS, struct.pack(">IB", 0xFFFF, _COPY_PACKET)))
        self._ask(_attribute(_CFG_MAXLEN, struct.pack(">I", longest)))
        flags = _FAIL_OPEN | (_GSO if gso else 0)
        self._ask(_attribute(_CFG_FLAGS, struct.pack(">I", flags))
                  + _attribute(_CFG_MASK, struct.pack(">I", _FAIL_OPEN | _GSO)))  # fmt: skip
        self._socket.setblocking(False)

    def _ask(self, attributes: bytes) -> None:
        """One configuration request; packets that arrive in between fail open after the socket is closed or read."""
        self._socket.send(_message(_CONFIG, self.number, attributes, flags=_REQUEST | _ACK))
        while True:
            reply = self._socket.recv(_RECEIVE)
            if len(reply) < 20 or _MESSAGE.unpack_from(reply)[1] != _ERROR:
                continue
            (code,) = struct.unpack_from("=i", reply, 16)
            if code:
                raise OSError(-code, os.strerror(-code))
            return


def parse_packet(message: memoryview) -> QueuedPacket | None:
    """A packet out of one netlink message; None for anything else, whatever its bytes are.

    Attributes end at the first one whose length cannot be.
    """
    if len(message) < 20:
        return None
    length, kind = _MESSAGE.unpack_from(message)[:2]
    if kind != _PACKET or not 20 <= length <= len(message):
        return None
    number, payload, hardware, arrived, whole = None, None, b"", 0.0, True
    words: dict[int, int] = {}
    at = 20
    while at + 4 <= length:
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        if size < 4 or at + size > length:
            break
        kind &= 0x3FFF
        if size == 8 and kind in _WORDS:
            words[kind] = _WORD.unpack_from(message, at + 4)[0]
        elif kind == _PAYLOAD:
            payload = bytes(message[at + 4 : at + size])
        elif kind == _HDR and size >= 8:
            number = _WORD.unpack_from(message, at + 4)[0]
        elif kind == _HWADDR:
            hardware = _hardware(message[at + 4 : at + size])
        elif kind == _TIMESTAMP and size >= 20:
            seconds, micros = _TIME.unpack_from(message, at + 4)
            arrived = seconds + micros / 1e6
        elif kind == _CAP_LEN:
            whole = False
        at += (size + 3) & ~3
    if number is None or payload is None:
        return None
    take = words.get
    info = take(_SKB_INFO, 0)
    return QueuedPacket(
        number,
        payload,
        take(_MARK, 0),
        take(_PHYSIN, 0),
        hardware,
        whole,
        take(_PHYSOUT, 0),
        arrived,
        info & _IS_GSO != 0,
        info & _UNVERIFIED == 0,
    )


class _Form:
    """Which attributes stand before the payload, in which order: what a message of this form says takes a few unpackings.

    Only for the ordinary: each attribute once, of the kernel's own size, the payload last.
    """

    __slots__ = ("_at", "_expected", "_heads", "_pick", "_values")

    def __init__(self, attributes: Sequence[tuple[int, int]]) -> None:
        """`attributes`: kind as sent, and size with its head, of each before the payload. Raises ValueError for an odd one."""
        heads, values, names = ["="], [">"], list[str]()
        for kind, size in attributes:
            layout, found = _LAYOUTS.get(kind & 0x3FFF, ("", ()))
            room = ((size + 3) & ~3) - 4
            if (layout and struct.calcsize(f">{layout}") != size - 4) or set(found) & set(names):
                raise ValueError(f"attribute {kind} of {size} bytes")
            heads.append(f"I{room}x")
            values.append(f"4x{layout}{room - struct.calcsize(f'>{layout}')}x")
            names += found
        if "id" not in names:
            raise ValueError("no number")
        self._heads, self._values = struct.Struct("".join(heads)), struct.Struct("".join(values))
        self._expected = tuple(_HEAD.unpack(_ATTRIBUTE.pack(size, kind))[0] for kind, size in attributes)
        self._at = 20 + self._heads.size
        where = {name: index for index, name in enumerate(names)}
        self._pick = itemgetter(*(where.get(name, len(names) + (name == "hardware")) for name in _NAMED))

    def packet(self, message: memoryview) -> QueuedPacket | None:
        """None where it is of another form."""
        length, kind = _MESSAGE.unpack_from(message)[:2]
        at = self._at
        if kind != _PACKET or not at + 4 <= length <= len(message):
            return None
        if self._heads.unpack_from(message, 20) != self._expected:
            return None
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        end = at + size
        if kind & 0x3FFF != _PAYLOAD or size < 4 or end > length or ((end + 3) & ~3) + 4 <= length:
            return None
        number, mark, seconds, micros, in_port, out_port, long, hardware, info = self._pick(
            (*self._values.unpack_from(message, 20), 0, b"")
        )
        return QueuedPacket(
            number,
            bytes(message[at + 4 : end]),
            mark,
            in_port,
            hardware if long >= 8 else hardware[:long],
            True,
            out_port,
            seconds + micros / 1e6,
            info & _IS_GSO != 0,
            info & _UNVERIFIED == 0,
        )


class Forms:
    """Of one queue: the newest few. What they say of a message is what `parse_packet` says."""

    __slots__ = ("_known", "_left")

    def __init__(self) -> None:
        self._known: list[_Form] = []
        self._left = _TRIED

    def parse(self, message: memoryview) -> QueuedPacket | None:
        """As `parse_packet`."""
        if len(message) >= 20:
            for form in self._known:
                packet = form.packet(message)
                if packet is not None:
                    return packet
        packet = parse_packet(message)
        if packet is not None and packet.whole and self._left:
            self._left -= 1
            with contextlib.suppress(ValueError):
                self._known = [_Form(_before_payload(message)), *self._known[: _FORMS - 1]]
        return packet


def _before_payload(message: memoryview) -> list[tuple[int, int]]:
    """Of a message that is a packet."""
    found: list[tuple[int, int]] = []
    at = 20
    while True:
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        if kind & 0x3FFF == _PAYLOAD:
            return found
        found.append((kind, size))
        at += (size + 3) & ~3


def _hardware(value: memoryview) -> bytes:
    if len(value) < 4:
        return b""
    return bytes(value[4 : 4 + min(8, int.from_bytes(value[:2], "big"))])


def _message(kind: int, queue: int, attributes: bytes, *, flags: int = _REQUEST) -> bytes:
    body = _GENERIC.pack(0, 0, queue) + attributes
    return _MESSAGE.pack(_MESSAGE.size + len(body), kind, flags, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
