"""Mixed traffic of a small office through a unit, for as long as it lasts; every answer is compared with what was sent.

Nothing that is allowed may be lost, whatever happens to the unit meanwhile. What is to be blocked may pass only while somebody
was just killed, so it is counted, not judged.
"""

import hashlib
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable

from lab.bridge import fetch
from lab.namespaces import PYTHON, Line
from lab.services import web

_DATAGRAMS = """
import socket, sys, time
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for size in (40, 400, 1400): peer.sendto(bytes(size), (sys.argv[1], 9999))
    time.sleep(0.02)
"""
_PATIENCE = 120
"""Seconds for one download, on a machine that does other things too."""


class Traffic:
    """Start with `run`; it ends when `stop` is set and everything under way has arrived."""

    def __init__(self, line: Line, *, chance: int) -> None:
        self._line = line
        self._chance = chance
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        """Exchanges that went as they should, by kind."""
        self.passed: Counter[str] = Counter()
        """What should have been stopped, and was not."""
        self.lost: list[str] = []
        self._threads = [
            threading.Thread(target=self._repeat, args=(kind, number), name=kind.__name__, daemon=True)
            for number, kind in enumerate(
                (self._download, self._download, self._page, self._listed, self._infected)
            )
        ]
        self._noise: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = self._line.lan.command(PYTHON, "-c", _DATAGRAMS, self._line.wan_address)
        self._noise = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits for what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._noise:
            self._noise.kill()
            self._noise.wait()

    def _repeat(self, kind: Callable[[random.Random], str], number: int) -> None:
        pick = random.Random(self._chance * 100 + number)  # noqa: S311 - repeatable
        while not self._stop.is_set():
            begun = time.monotonic()
            problem = kind(pick)
            with self._lock:
                if problem:
                    self.lost.append(f"{problem} after {time.monotonic() - begun:.1f} s")
            self._stop.wait(pick.random() * 0.3)

    def _count(self, counter: Counter[str], kind: str) -> None:
        with self._lock:
            counter[kind] += 1

    def _where(self, pick: random.Random) -> str:
        return pick.choice((self._line.wan_address, f"[{self._line.wan_address6}]"))

    def _download(self, pick: random.Random) -> str:
        size = pick.choice((0.3, 2, 8, 20))
        rate = pick.choice(("", "4M", "15M"))
        limit = ["--limit-rate", rate] if rate else []
        url = f"http://{self._where(pick)}/big.bin?mb={size}"
        command = self._line.lan.command("curl", "-sS", "-g", "-m", str(_PATIENCE), *limit, url)
        done = subprocess.run(command, capture_output=True, check=False)
        if hashlib.sha256(done.stdout).hexdigest() != web.digest(int(size * 1_000_000)):
            said = done.stderr.decode(errors="replace").strip()
            return f"a download of {size} MB: exit {done.returncode}, {len(done.stdout)} bytes, {said}"
        self._count(self.done, "downloads")
        return ""

    def _page(self, pick: random.Random) -> str:
        name = f"site-{pick.randrange(1000)}.example"
        if fetch(
            self._line, "", where=self._where(pick), headers=[f"Host: {name}"], seconds=_PATIENCE
        ) != web.page(name):
            return f"the page of {name}"
        self._count(self.done, "pages")
        return ""

    def _listed(self, pick: random.Random) -> str:
        """Blocked or, in a gap, let through: never silence for long."""
        where = self._where(pick)
        got = fetch(self._line, "", where=where, headers=["Host: bad.example"], seconds=_PATIENCE)
        self._count(self.passed if got == web.page("bad.example") else self.done, "listed sites")
        return ""

    def _infected(self, pick: random.Random) -> str:
        got = fetch(self._line, "report.txt", where=self._where(pick), seconds=_PATIENCE)
        if got is None or len(got) != len(web.infected()):
            return "an infected file (the text around it)"
        self._count(self.passed if web.EICAR in got else self.done, "infected files")
        return ""
