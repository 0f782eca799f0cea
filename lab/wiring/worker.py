"""What a host does all day: `python -m lab.wiring.worker MODE [NAME]`, run inside the host's namespace until ended.

browse: asks for a name and fetches a page every few seconds; now and then it has slept and asks for its neighbours anew. chatter: asks for neighbours that are not there, so that it is heard
and nothing crosses. announce: tells its name and services by mDNS. tagged, phone: frames that no stack of this kernel makes.
"""

import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

WEB = "www.omamori.example"
MDNS = ("224.0.0.251", 5353)


_rounds: Iterator[int] = count(1)
_SLEEPS: Final = 5
"""Pages between; a kernel that never sleeps would ask its neighbours alone, out of the unit's hearing."""


def browse(_name: str) -> None:
    """One page; the next one after a few seconds, whatever becomes of it."""
    if next(_rounds) % _SLEEPS == 0:
        subprocess.run(["ip", "neighbour", "flush", "dev", "eth0"], check=False, capture_output=True)
    with contextlib.suppress(OSError), socket.create_connection((WEB, 80), timeout=3) as web:
        web.sendall(f"GET / HTTP/1.1\r\nHost: {WEB}\r\nConnection: close\r\n\r\n".encode())
        web.recv(4096)


_absent: Iterator[int] = count()


def chatter(_name: str) -> None:
    """A datagram to a neighbour that does not exist: the kernel asks for it by ARP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError):
        out.sendto(b"anybody?", (f"192.168.10.{200 + next(_absent) % 40}", 9))


def announce(name: str) -> None:
    """An unsolicited mDNS answer with the host's address record and a file service (RFC 6762 8.3)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in (name, "local")) + b"\0"
    service = b"\x04_smb\x04_tcp\x05local\0"
    instance = bytes([len(name)]) + name.encode() + service
    records = labels + struct.pack("!HHIH4s", 1, 0x8001, 120, 4, socket.inet_aton("192.168.10.99"))
    records += service + struct.pack("!HHIH", 12, 1, 4500, len(instance)) + instance
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError):
        out.sendto(struct.pack("!6H", 0, 0x8400, 0, 2, 0, 0) + records, MDNS)


def tagged(name: str) -> None:
    """Devices of a VLAN ask for each other by ARP."""
    for number in range(3):
        network = len(name)
        source = bytes([2, 0x76, network, 0, 0, number])
        asks = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + source + bytes([10, 30, network, 10 + number])
        _send(
            b"\xff" * 6
            + source
            + struct.pack("!HHH", 0x8100, 30, 0x0806)
            + asks
            + bytes(6)
            + bytes([10, 30, 0, 1])
        )


def phone(_name: str) -> None:
    """An IP phone: LLDP without a tag, its own traffic in the voice VLAN."""
    source = bytes.fromhex("0004f2a0b0c1")
    tlvs = bytes.fromhex("0207040004f2a0b0c10407030004f2a0b0c1060200780000")
    _send(bytes.fromhex("0180c200000e") + source + struct.pack("!H", 0x88CC) + tlvs)
    asks = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + source + bytes([10, 40, 0, 9]) + bytes(6)
    _send(b"\xff" * 6 + source + struct.pack("!HHH", 0x8100, 40, 0x0806) + asks + bytes([10, 40, 0, 1]))


def _send(frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out, contextlib.suppress(OSError):
        out.bind(("eth0", 0))
        out.send(frame.ljust(60, b"\0"))


MODES: dict[str, tuple[Callable[[str], None], float]] = {
    "browse": (browse, 4.0),
    "chatter": (chatter, 5.0),
    "announce": (announce, 10.0),
    "tagged": (tagged, 2.0),
    "phone": (phone, 5.0),
}
"""What is done, and the seconds between."""


def main() -> None:
    act, pause = MODES[sys.argv[1]]
    while True:
        act(sys.argv[2] if len(sys.argv) > 2 else "")
        time.sleep(pause)


if __name__ == "__main__":
    main()
