"""Frames that arrive on one port, by a packet socket (packet(7)) with a filter that runs in the kernel.

What names hosts and shows the wiring comes up whole: ARP, DHCP, neighbour discovery, the name and service protocols, time servers'
answers. Of TCP the opening of each connection, of questions to name servers the head, of everything else one packet in 256, at random,
and its first bytes only. Frames that the bridge sends out of the port are dropped by the filter, so the port tells the side. Of PPPoE
session data one frame in 64 is taken, link control (LCP) always: where the unit stands in front of the router everything the
company does would come by here.
"""

import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from omamori.firmware.lan import bpf, probe
from omamori.firmware.lan.bpf import Op
from omamori.firmware.lan.errors import PortMissing

_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_ETH_P_ALL: Final = 0x0003
_AUXDATA: Final = struct.Struct("=IIIHHHH")
_VLAN_VALID: Final = 0x10
_BUFFER: Final = 512 * 1024
_TO_PORTS: Final = (67, 68, 137, 138, 546, 547, 1900, 3702, 5353, 5355)
_FROM_PORTS: Final = (123, 137, 1900, 3702, 5353, 5355)


# X holds 4 where one VLAN tag is left in the frame, else 0; offsets below are those of an untagged frame.
NAMING: Final = (
    Op(bpf.LDW, bpf.PACKET_TYPE),
    Op(bpf.JEQ, bpf.OUTGOING, yes="drop"),
    Op(bpf.LDH, 12),
    Op(bpf.JEQ, 0x8100, yes="tagged"),
    Op(bpf.JEQ, 0x88A8, yes="tagged"),
    Op(bpf.LDX, 0),
    Op(bpf.JA, 0, yes="type"),
    Op(bpf.LDX, 4, label="tagged"),
    Op(bpf.LDH_X, 12, label="type"),
    Op(bpf.JEQ, 0x0806, yes="whole"),
    Op(bpf.JEQ, 0x8863, yes="whole"),
    Op(bpf.JEQ, 0x8864, yes="session"),
    Op(bpf.JEQ, 0x0800, yes="version4"),
    Op(bpf.JEQ, 0x86DD, no="drop"),
    # IPv6 without extension headers; the header is 40 bytes.
    Op(bpf.LDB_X, 20),
    Op(bpf.JEQ, 58, yes="icmp6"),
    Op(bpf.ST, 0),
    Op(bpf.TXA),
    Op(bpf.ADD, 40),
    Op(bpf.TAX),
    Op(bpf.LD_MEM, 0),
    Op(bpf.JA, 0, yes="transport"),
    Op(bpf.LDB_X, 54, label="icmp6"),
    Op(bpf.JGE, 133, no="sample"),
    Op(bpf.JGT, 136, yes="sample", no="whole"),
    Op(bpf.LDH_X, 20, label="version4"),
    Op(bpf.JSET, 0x1FFF, yes="sample"),
    Op(bpf.LDB_X, 23),
    Op(bpf.ST, 0),
    Op(bpf.LDB_X, 14),
    Op(bpf.AND, 0x0F),
    Op(bpf.LSH, 2),
    Op(bpf.ADD_X),
    Op(bpf.TAX),
    Op(bpf.LD_MEM, 0),
    # X leads to the transport header at offset 14; the accumulator holds the protocol.
    Op(bpf.JEQ, 6, yes="tcp", label="transport"),
    Op(bpf.JEQ, 17, no="sample"),
    Op(bpf.LDH_X, 16),
    *(Op(bpf.JEQ, port, yes="whole") for port in _TO_PORTS),
    Op(bpf.JEQ, 53, yes="head"),
    Op(bpf.LDH_X, 14),
    *(Op(bpf.JEQ, port, yes="whole") for port in _FROM_PORTS),
    Op(bpf.JA, 0, yes="sample"),
    Op(bpf.LDB_X, 27, label="tcp"),
    Op(bpf.JSET, 0x02, yes="head"),
    Op(bpf.LDW, bpf.RANDOM, label="sample"),
    Op(bpf.JSET, 0xFF, yes="drop", no="head"),
    Op(bpf.LDH_X, 20, label="session"),
    Op(bpf.JEQ, 0xC021, yes="head"),
    Op(bpf.LDW, bpf.RANDOM),
    Op(bpf.JSET, 0x3F, yes="drop", no="head"),
    Op(bpf.RET, 128, label="head"),
    Op(bpf.RET, 1600, label="whole"),
    Op(bpf.RET, 0, label="drop"),
)


_PROBES: Final = (
    Op(bpf.LDW, bpf.PACKET_TYPE),
    Op(bpf.JEQ, bpf.OUTGOING, yes="drop"),
    Op(bpf.LDH, 12),
    Op(bpf.JEQ, probe.ETHERTYPE, no="drop"),
    Op(bpf.RET, 128),
    Op(bpf.RET, 0, label="drop"),
)
"""Only the unit's own probes that arrive. A socket for this type alone would hear nothing: the bridge takes frames first."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One frame, and the VLAN tag that the kernel had taken off."""

    data: bytes
    tag: int | None


class Capture:
    """A packet socket on one port. Close it, or use it in a `with`."""

    def __init__(
        self, port: str, program: Sequence[Op] = NAMING, *, size: int = 2048, buffer: int = _BUFFER
    ) -> None:
        """Frames are cut to `size` bytes, and `buffer` bytes of them wait in the kernel at most. Raises PortMissing."""
        self.port, self._size = port, size
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
        try:
            bpf.attach(self._socket, program)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
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
                data, control, _flags, _address = self._socket.recvmsg(
                    self._size, socket.CMSG_SPACE(_AUXDATA.size)
                )
            except OSError:  # nothing waits, or the port went down
                return
            yield Captured(data, _tag(control))


def attach_probe_filter(listener: socket.socket) -> None:
    """Let only the unit's own kind of probes come up, as they arrive. Raises OSError."""
    bpf.attach(listener, _PROBES)


def _tag(control: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in control:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(data) >= _AUXDATA.size:
            status, *_, tci, _tpid = _AUXDATA.unpack_from(data)
            return tci & 0x0FFF if status & _VLAN_VALID else None
    return None
