"""What tests of other sources than the fleet share: servers on loopback, and the updater over them, here or as systemd starts it."""

import contextlib
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from omamori.firmware.update.connection import connect
from omamori.firmware.update.fetch import Limits

LIMITS = Limits(connect=5, read=5, least_rate=2_000, grace=5)


def served(handler, **fields: object) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.__dict__.update(fields)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def url(server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def run(unit, origin: str = "", limits: Limits = LIMITS, **more: object) -> bool:
    return unit.updater(trust=lambda: connect(unit.paths, limits, origin=origin)).run(**more)


def command(unit, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", "from omamori.firmware.cli import main; main()", "--root", str(unit.root)]
    return subprocess.run([*line, *words], capture_output=True, text=True, check=False, timeout=100)


@contextlib.contextmanager
def running(unit):
    """The updater as systemd starts it."""
    words = [sys.executable, "-m", "omamori.firmware.update", "run", "--root", str(unit.root)]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as updater:
        try:
            yield updater
        finally:
            updater.terminate()
            updater.communicate(timeout=30)


def until(holds) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
