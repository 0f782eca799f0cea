"""PPPoE as it looks on the wire when the unit stands in front of the router that dials in (RFC 2516).

The kernel of a build machine has no PPP, so the frames are made here: discovery between a client on the hub side and an
access concentrator on the router's side, then session frames with LCP echoes, all of them through the unit.
"""

import contextlib
import struct
import sys
import time
from collections.abc import Iterator

from lab.demo.office import HUB, Office
from lab.namespaces import PYTHON

DISCOVERY, SESSION = 0x8863, 0x8864
CLIENT, SERVER = bytes.fromhex("02c11e4700a1"), bytes.fromhex("02acc0de00b2")
BROADCAST = b"\xff" * 6
PADI, PADO, PADR, PADS = 0x09, 0x07, 0x19, 0x65


def frame(destination: bytes, source: bytes, code: int, session: int, payload: bytes) -> bytes:
    """An Ethernet frame of either stage."""
    kind = SESSION if code == 0 else DISCOVERY
    head = struct.pack("!HBBHH", kind, 0x11, code, session, len(payload))
    return (destination + source + head + payload).ljust(60, b"\0")


def client_frames() -> list[bytes]:
    """What the dialling router sends."""
    tag = struct.pack("!HH", 0x0101, 0)
    echo = struct.pack("!HBBHI", 0xC021, 9, 1, 8, 0)
    return [
        frame(BROADCAST, CLIENT, PADI, 0, tag),
        frame(SERVER, CLIENT, PADR, 0, tag),
        frame(SERVER, CLIENT, 0, 7, echo),
    ]


def server_frames() -> list[bytes]:
    """What the provider's concentrator answers."""
    tag = struct.pack("!HH", 0x0101, 0) + struct.pack("!HH4s", 0x0102, 4, b"bras")
    echo = struct.pack("!HBBHI", 0xC021, 10, 1, 8, 0)
    return [
        frame(CLIENT, SERVER, PADO, 0, tag),
        frame(CLIENT, SERVER, PADS, 7, tag),
        frame(CLIENT, SERVER, 0, 7, echo),
    ]


@contextlib.contextmanager
def session(office: Office) -> Iterator[None]:
    """PPPoE runs between hub side and router side for the length of the block, through whatever is between."""
    with contextlib.ExitStack() as stack:
        for where, port, role in ((office.hub, HUB, "client"), (office.internet, "home", "server")):
            stack.enter_context(where.running(PYTHON, "-m", "lab.services.pppoe", port, role))
        yield


def main() -> None:
    """`python -m lab.services.pppoe PORT client|server`: one exchange a second until ended."""
    import socket

    port, role = sys.argv[1:3]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((port, 0))
        while True:
            for each in client_frames() if role == "client" else server_frames():
                wire.send(each)
            time.sleep(1)


if __name__ == "__main__":
    main()
