"""Do both ports lead to the same switch: a probe goes out of one port every second and must not come in at the other.

Broadcasts would run in such a circle for ever, so the port is closed at the first probe that returns, and opened again when none
has returned for a while. A closed port still hears probes (a packet socket is in front of the bridge). The process opens
the port when it stops and when it starts: nothing but a loop keeps a port closed.
"""

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Self

from omamori.firmware.lan import probe
from omamori.firmware.lan.capture import attach_probe_filter
from omamori.firmware.lan.errors import BadFrame, PortMissing
from omamori.firmware.lan.observations import Loop
from omamori.protocol.ids import Mac

OPEN_AFTER: Final = timedelta(seconds=5)
_MOST_READ: Final = 200
_EVERY_TYPE: Final = 0x0003
"""ETH_P_ALL."""


class LoopGuard:
    """What the probes have shown. Pure."""

    def __init__(self, run: bytes) -> None:
        self.run = run
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._returned = 0

    def returned(self, run: bytes, now: datetime) -> None:
        """A probe came in at the other port; another unit's is none of ours."""
        if run != self.run:
            return
        if not self.closes(now):
            self._first, self._returned = now, 0
        self._last = now
        self._returned += 1

    def closes(self, now: datetime) -> bool:
        """Whether the port must be closed now."""
        return self._last is not None and now - self._last <= OPEN_AFTER

    def loop(self, now: datetime) -> Loop | None:
        """For the picture."""
        if self._first is None or self._last is None or not self.closes(now):
            return None
        return Loop(self._first, self._last, self._returned, closed=True)

    def shift(self, by: timedelta) -> None:
        """The clock was set."""
        self._first = self._first + by if self._first else None
        self._last = self._last + by if self._last else None


class ProbePort:
    """A packet socket for probes alone, so that a storm of anything else drowns none. Close it, or use it in a `with`."""

    def __init__(self, port: str) -> None:
        """Raises PortMissing."""
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_PACKET, kind, 0)
        try:
            attach_probe_filter(self._socket)
            self._socket.bind((port, _EVERY_TYPE))
        except OSError as error:
            self._socket.close()
            raise PortMissing(f"cannot probe on {port}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def send(self, source: Mac, run: bytes) -> None:
        """One probe. Raises OSError while the port is down."""
        self._socket.send(probe.frame(source, run))

    def runs(self) -> Iterator[bytes]:
        """The runs of the probes that wait, at most two hundred; what is no probe is skipped."""
        for _ in range(_MOST_READ):
            try:
                data = self._socket.recv(256)
            except OSError:  # nothing waits, or the port went down
                return
            try:
                yield probe.parse(data[14:]).run
            except BadFrame:
                continue
