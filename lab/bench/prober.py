"""Asks a server for small pages and for a page that must be blocked, without a pause: `python -m lab.bench.prober SERVER ATTACK SECONDS`.

It shows what a change of rules costs: an ordinary answer that comes late or never, or an attack that comes through. Prints
one JSON object at its end, which SIGTERM brings about.
"""

import contextlib
import json
import signal
import socket
import sys
import threading
import time
from typing import Final

_EVERY: Final = 0.01
_PATIENCE: Final = 2.0
_ATTACK_PATIENCE: Final = 0.05


class Prober:
    """Two threads, one for each kind of request."""

    def __init__(self, server: str, attack: str, seconds: float) -> None:
        self._server, self._attack = server, attack
        self._until = time.monotonic() + seconds
        self._over = threading.Event()
        self.asked = self.lost = self.attacks = self.passed = 0
        self.slowest = 0.0

    def run(self) -> None:
        threads = [threading.Thread(target=one) for one in (self._ordinary, self._attacks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop(self) -> None:
        """Safe in a signal handler."""
        self._over.set()

    def _going(self) -> bool:
        return not self._over.wait(_EVERY) and time.monotonic() < self._until

    def _ordinary(self) -> None:
        while self._going():
            begun = time.monotonic()
            self.asked += 1
            self.lost += not self._answered("1k-0.html", _PATIENCE)
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def _attacks(self) -> None:
        while self._going():
            self.attacks += 1
            self.passed += self._answered(self._attack, _ATTACK_PATIENCE)

    def _answered(self, path: str, patience: float) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((self._server, 80), patience) as connection,
        ):
            connection.sendall(
                f"GET /{path} HTTP/1.1\r\nHost: {self._server}\r\nConnection: close\r\n\r\n".encode()
            )
            return b" 200 " in connection.recv(64)
        return False


def main() -> None:
    """Probe and print."""
    server, attack, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    prober = Prober(server, attack, seconds)
    signal.signal(signal.SIGTERM, lambda *_: prober.stop())
    prober.run()
    told = ("asked", "lost", "slowest", "attacks", "passed")
    print(json.dumps({name: getattr(prober, name) for name in told}))


if __name__ == "__main__":
    main()
