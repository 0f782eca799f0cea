"""Both network ports, with one cable from one to the other: links up, fast enough, and every frame arrives as it was sent.

Frames are addressed to the port at the other end, so the bridge between them hands none on, and are seen before the bridge takes them
(packet(7), `ETH_P_ALL`). Their type is the IEEE's for local experiments, as that of the wiring's probe; neither takes the other's for its own.
"""

import contextlib
import fcntl
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from omamori.firmware.factory.report import Line, judged

PORTS: Final = ("wan0", "lan0")
LEAST_SPEED: Final = 1000
"""Mbit/s; a pair of wires that is broken makes a port of a gigabit fall back to 100."""
FRAMES: Final = 64
_ETHERTYPE: Final = b"\x88\xb5"
_MAGIC: Final = b"omamori-factory\x01"
_LONGEST: Final = 1514
_ETH_P_ALL, _OUTGOING = 0x0003, 4
_SIOCGIFFLAGS, _SIOCGIFHWADDR = 0x8913, 0x8927
_UP_AND_RUNNING: Final = 0x41
_MOST_LOST: Final = 4
_ERRORS: Final = ("rx_errors", "tx_errors", "rx_crc_errors")


def check(root: Path, *, patience: float = 10, wait: float = 3) -> Iterator[Line]:
    """In seconds: `patience` is what a link may take to come up, `wait` what one frame may take over one cable."""
    deadline = time.monotonic() + patience
    for port in PORTS:
        good, detail = _state(port, root, deadline)
        yield judged(f"link {port}", detail, good=good)
    before = _errors(root)
    for sender, receiver in (PORTS, PORTS[::-1]):
        try:
            yield _frames(sender, receiver, wait)
        except OSError as error:
            yield judged(f"frames {sender} to {receiver}", error.strerror or str(error), good=False)
    counted = {name: now - before.get(name, 0) for name, now in _errors(root).items()}
    wrong = [f"{count} {name}" for name, count in counted.items() if count > 0]
    yield judged("frame errors", ", ".join(wrong) or "none counted", good=not wrong)


def _state(port: str, root: Path, deadline: float) -> tuple[bool, str]:
    try:
        while _flags(port) & _UP_AND_RUNNING != _UP_AND_RUNNING:
            if time.monotonic() > deadline:
                return False, "no link: is the cable in both ports?"
            time.sleep(0.2)
    except OSError as error:
        return False, f"there is no such port ({error.strerror})"
    speed = _number(root / "sys/class/net" / port / "speed")
    if speed <= 0:
        return True, "up, speed not told"
    return speed >= LEAST_SPEED, f"up, {speed} Mbit/s" + (
        "" if speed >= LEAST_SPEED else f", not {LEAST_SPEED}"
    )


def _frames(sender: str, receiver: str, wait: float) -> Line:
    """Raises OSError where a port cannot be used at all."""
    run = os.urandom(8)
    lost = damaged = sent = 0
    with _opened(sender, 0) as out, _opened(receiver, _ETH_P_ALL) as back:
        head = _address(receiver) + _address(sender) + _ETHERTYPE + _MAGIC + run
        for number in range(FRAMES):
            frame = _frame(head, number)
            sent += 1
            out.send(frame)
            arrived = _arrived(back, frame[: len(head) + 2], wait)
            lost += arrived is None
            damaged += arrived is not None and arrived != frame
            if lost + damaged >= _MOST_LOST:
                break
    detail = f"{sent - lost - damaged} of {sent} arrived" + (
        f", {damaged} changed on the way" if damaged else ""
    )
    return judged(f"frames {sender} to {receiver}", detail, good=not (lost or damaged))


def _frame(head: bytes, number: int) -> bytes:
    """Of every length from the least to the longest, with other bytes in each."""
    length = 64 + (_LONGEST - 64) * number // (FRAMES - 1)
    start = head + number.to_bytes(2, "big")
    return start + os.urandom(length - len(start))


def _arrived(receiver: socket.socket, start: bytes, wait: float) -> bytes | None:
    deadline = time.monotonic() + wait
    while (left := deadline - time.monotonic()) > 0:
        receiver.settimeout(left)
        with contextlib.suppress(TimeoutError):
            seen, address = receiver.recvfrom(65_535)
            if address[2] != _OUTGOING and seen.startswith(start):
                return seen
    return None


@contextlib.contextmanager
def _opened(port: str, kind: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as opened:
        opened.bind((port, kind))
        yield opened


def _asked(port: str, request: int) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        return fcntl.ioctl(any_socket, request, struct.pack("16s24x", port.encode()))


def _flags(port: str) -> int:
    return int(struct.unpack_from("=H", _asked(port, _SIOCGIFFLAGS), 16)[0])


def _address(port: str) -> bytes:
    return _asked(port, _SIOCGIFHWADDR)[18:24]


def _errors(root: Path) -> dict[str, int]:
    folder = root / "sys/class/net"
    return {
        f"{name} on {port}": max(0, _number(folder / port / "statistics" / name))
        for port in PORTS
        for name in _ERRORS
    }


def _number(path: Path) -> int:
    """What the kernel says, -1 where it says nothing."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return -1
