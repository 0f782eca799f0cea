"""Frames that arrive on one port, by a packet socket (packet(7)) with a filter that runs in the kernel.

What names hosts and shows the wiring comes up whole: ARP, DHCP, neighbour discovery, the name and service protocols, time servers'
answers. Of TCP the opening of each connection, of questions to name servers the head, of everything else one packet in 256, at random,
and its first bytes only. Frames that the bridge sends out of the port are dropped by the filter, so the port tells the side. Of PPPoE
session data one frame in 64 is taken, link control (LCP) always: where the unit stands in front of the router everything the
company does would come by here.
"""

import socket
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from omamori.firmware.lan import probe
from omamori.firmware.lan.errors import PortMissing

_SO_ATTACH_FILTER: Final = 26
_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_ETH_P_ALL: Final = 0x0003
_AUXDATA: Final = struct.Struct("=IIIHHHH")
_VLAN_VALID: Final = 0x10
_BUFFER: Final = 512 * 1024

# Classic BPF (Documentation/networking/filter.rst): load, jump, arithmetic and return codes.
_LDW, _LDH_X, _LDB_X, _LDH, _LDX = 0x20, 0x48, 0x50, 0x28, 0x01
_JEQ, _JGT, _JGE, _JSET, _JA, _RET = 0x15, 0x25, 0x35, 0x45, 0x05, 0x06
_AND, _LSH, _ADD, _ADD_X, _TAX, _TXA = 0x54, 0x64, 0x04, 0x0C, 0x07, 0x87
_ST, _LD_MEM = 0x02, 0x60
_PACKET_TYPE, _RANDOM = 0xFFFFF000 + 4, 0xFFFFF000 + 56
_OUTGOING = 4
_TO_PORTS: Final = (67, 68, 137, 138, 546, 547, 1900, 5353, 5355)
_FROM_PORTS: Final = (123, 137, 1900, 5353, 5355)


@dataclass(frozen=True, slots=True)
class _Op:
    """One instruction; jumps name labels, an empty one means the next instruction."""

    code: int
    value: int = 0
    yes: str = ""
    no: str = ""
    label: str = ""


# X holds 4 where one VLAN tag is left in the frame, else 0; offsets below are those of an untagged frame.
_PROGRAM: Final = (
    _Op(_LDW, _PACKET_TYPE),
    _Op(_JEQ, _OUTGOING, yes="drop"),
    _Op(_LDH, 12),
    _Op(_JEQ, 0x8100, yes="tagged"),
    _Op(_JEQ, 0x88A8, yes="tagged"),
    _Op(_LDX, 0),
    _Op(_JA, 0, yes="type"),
    _Op(_LDX, 4, label="tagged"),
    _Op(_LDH_X, 12, label="type"),
    _Op(_JEQ, 0x0806, yes="whole"),
    _Op(_JEQ, 0x8863, yes="whole"),
    _Op(_JEQ, 0x8864, yes="session"),
    _Op(_JEQ, 0x0800, yes="version4"),
    _Op(_JEQ, 0x86DD, no="drop"),
    # IPv6 without extension headers; the header is 40 bytes.
    _Op(_LDB_X, 20),
    _Op(_JEQ, 58, yes="icmp6"),
    _Op(_ST, 0),
    _Op(_TXA),
    _Op(_ADD, 40),
    _Op(_TAX),
    _Op(_LD_MEM, 0),
    _Op(_JA, 0, yes="transport"),
    _Op(_LDB_X, 54, label="icmp6"),
    _Op(_JGE, 133, no="sample"),
    _Op(_JGT, 136, yes="sample", no="whole"),
    _Op(_LDH_X, 20, label="version4"),
    _Op(_JSET, 0x1FFF, yes="sample"),
    _Op(_LDB_X, 23),
    _Op(_ST, 0),
    _Op(_LDB_X, 14),
    _Op(_AND, 0x0F),
    _Op(_LSH, 2),
    _Op(_ADD_X),
    _Op(_TAX),
    _Op(_LD_MEM, 0),
    # X leads to the transport header at offset 14; the accumulator holds the protocol.
    _Op(_JEQ, 6, yes="tcp", label="transport"),
    _Op(_JEQ, 17, no="sample"),
    _Op(_LDH_X, 16),
    *(_Op(_JEQ, port, yes="whole") for port in _TO_PORTS),
    _Op(_JEQ, 53, yes="head"),
    _Op(_LDH_X, 14),
    *(_Op(_JEQ, port, yes="whole") for port in _FROM_PORTS),
    _Op(_JA, 0, yes="sample"),
    _Op(_LDB_X, 27, label="tcp"),
    _Op(_JSET, 0x02, yes="head"),
    _Op(_LDW, _RANDOM, label="sample"),
    _Op(_JSET, 0xFF, yes="drop", no="head"),
    _Op(_LDH_X, 20, label="session"),
    _Op(_JEQ, 0xC021, yes="head"),
    _Op(_LDW, _RANDOM),
    _Op(_JSET, 0x3F, yes="drop", no="head"),
    _Op(_RET, 128, label="head"),
    _Op(_RET, 1600, label="whole"),
    _Op(_RET, 0, label="drop"),
)


_PROBES: Final = (
    _Op(_LDW, _PACKET_TYPE),
    _Op(_JEQ, _OUTGOING, yes="drop"),
    _Op(_LDH, 12),
    _Op(_JEQ, probe.ETHERTYPE, no="drop"),
    _Op(_RET, 128),
    _Op(_RET, 0, label="drop"),
)
"""Only the unit's own probes that arrive. A socket for this type alone would hear nothing: the bridge takes frames first."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One frame, and the VLAN tag that the kernel had taken off."""

    data: bytes
    tag: int | None


class Capture:
    """A packet socket on one port. Close it, or use it in a `with`."""

    def __init__(self, port: str) -> None:
        """Raises PortMissing."""
        self.port = port
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
        try:
            _attach(self._socket, _PROGRAM)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.bind((port, _ETH_P_ALL))
        except OSError as error:
            self._socket.close()
            raise PortMissing(f"cannot listen on {port}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def frames(self, *, most: int) -> Iterator[Captured]:
        """What waits now, at most `most` frames; ends quietly while the port is down."""
        for _ in range(most):
            try:
                data, control, _flags, _address = self._socket.recvmsg(2048, socket.CMSG_SPACE(_AUXDATA.size))
            except OSError:  # nothing waits, or the port went down
                return
            yield Captured(data, _tag(control))


def filter_program(program: Sequence[_Op] = _PROGRAM) -> bytes:
    """The filter as the kernel takes it: 8 bytes an instruction."""
    labels = {op.label: place for place, op in enumerate(program) if op.label}
    return b"".join(_instruction(op, place, labels) for place, op in enumerate(program))


def attach_probe_filter(listener: socket.socket) -> None:
    """Let only the unit's own kind of probes come up, as they arrive. Raises OSError."""
    _attach(listener, _PROBES)


def _instruction(op: _Op, place: int, labels: dict[str, int]) -> bytes:
    yes = labels[op.yes] - place - 1 if op.yes else 0
    no = labels[op.no] - place - 1 if op.no else 0
    if op.code == _JA:
        return struct.pack("=HBBI", op.code, 0, 0, yes)
    return struct.pack("=HBBI", op.code, yes, no, op.value)


def _attach(listener: socket.socket, program: Sequence[_Op]) -> None:
    compiled = array("B", filter_program(program))
    address, length = compiled.buffer_info()
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length // 8, address))


def _tag(control: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in control:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(data) >= _AUXDATA.size:
            status, *_, tci, _tpid = _AUXDATA.unpack_from(data)
            return tci & 0x0FFF if status & _VLAN_VALID else None
    return None
