"""A cable whose link speed the kernel reports: a tap in the unit's namespace, joined frame by frame to a port of the panel.

A veth pair always claims 10 Gbit/s; a tap takes what ethtool sets, as a real card after negotiation does.
"""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator

from lab.namespaces import Namespace
from lab.tap import enter, open_tap

_HEAD = bytes(10)
"""The virtio header of a frame that wants no offload."""


@contextlib.contextmanager
def slow_cable(
    unit: Namespace, port: str, panel: Namespace, panel_port: str, *, speed: int, duplex: str
) -> Iterator[None]:
    """`port` in the unit's namespace runs at this speed; its other end is `panel_port`."""
    tap = open_tap(unit, port)
    unit.run("ethtool", "-s", port, "speed", str(speed), "duplex", duplex)
    done = threading.Event()
    thread = threading.Thread(target=_relay, args=(tap, panel, panel_port, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(5)
        os.close(tap)


def _relay(tap: int, panel: Namespace, panel_port: str, done: threading.Event) -> None:
    """In a thread of its own, which lives in the panel's namespace."""
    enter(panel)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((panel_port, 3))
        while not done.is_set():
            ready, _, _ = select.select([tap, wire.fileno()], [], [], 0.2)
            with contextlib.suppress(OSError):
                if tap in ready:
                    wire.send(os.read(tap, 65536)[len(_HEAD) :])
                if wire.fileno() in ready:
                    data, address = wire.recvfrom(65536)
                    if address[2] != socket.PACKET_OUTGOING:
                        os.write(tap, _HEAD + data)
