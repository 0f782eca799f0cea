"""Filters that the kernel runs on packet sockets (Documentation/networking/filter.rst): classic BPF, written with labels.

A load beyond a packet's end drops the packet.
"""

import socket
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SO_ATTACH_FILTER: Final = 26

LDW, LDW_X, LDH, LDH_X, LDB_X, LDX, LENGTH = 0x20, 0x40, 0x28, 0x48, 0x50, 0x01, 0x80
JEQ, JGT, JGE, JSET, JA, RET = 0x15, 0x25, 0x35, 0x45, 0x05, 0x06
AND, LSH, RSH, ADD, ADD_X, SUB_X, TAX, TXA = 0x54, 0x64, 0x74, 0x04, 0x0C, 0x1C, 0x07, 0x87
ST, LD_MEM, LDX_MEM = 0x02, 0x60, 0x61
PACKET_TYPE, RANDOM = 0xFFFFF000 + 4, 0xFFFFF000 + 56
OUTGOING: Final = 4


@dataclass(frozen=True, slots=True)
class Op:
    """One instruction; jumps name labels, an empty one means the next instruction."""

    code: int
    value: int = 0
    yes: str = ""
    no: str = ""
    label: str = ""


def assemble(program: Sequence[Op]) -> bytes:
    """The filter as the kernel takes it: 8 bytes an instruction."""
    labels = {op.label: place for place, op in enumerate(program) if op.label}
    return b"".join(_instruction(op, place, labels) for place, op in enumerate(program))


def attach(listener: socket.socket, program: Sequence[Op]) -> None:
    """From now on only what the filter takes comes up. Raises OSError."""
    compiled = array("B", assemble(program))
    address, length = compiled.buffer_info()
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", length // 8, address))


def _instruction(op: Op, place: int, labels: dict[str, int]) -> bytes:
    yes = labels[op.yes] - place - 1 if op.yes else 0
    no = labels[op.no] - place - 1 if op.no else 0
    if op.code == JA:
        return struct.pack("=HBBI", op.code, 0, 0, yes)
    return struct.pack("=HBBI", op.code, yes, no, op.value)
