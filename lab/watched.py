"""What a host behind a unit sees of its restart: a TCP stream that is answered line by line, and ten pings a second, through the unit.

A stream that waits sends again less and less often, so that its gap is longer than the network's; pings do not wait.
"""

import contextlib
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.appliance import ROUTER, Site

_PORT = 7000
_ECHO = f"""
import socket
server = socket.create_server(("{ROUTER}", {_PORT}))
while True:
    peer, _ = server.accept()
    with peer:
        while sent := peer.recv(4096):
            peer.sendall(sent)
"""
_TALK = f"""
import socket, time
with socket.create_connection(("{ROUTER}", {_PORT}), timeout=300) as peer:
    number = 0
    while True:
        number += 1
        line = b"%d\\n" % number
        peer.sendall(line)
        back = b""
        while len(back) < len(line):
            got = peer.recv(len(line) - len(back))
            if not got:
                raise SystemExit("the stream was cut")
            back += got
        assert back == line
        print(number, time.time(), flush=True)
        time.sleep(0.05)
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """So far. Gaps in seconds."""

    answers: int
    stream_gap: float
    cut: bool
    pings: int
    lost: int
    ping_gap: float

    def __str__(self) -> str:
        stream = "the stream was cut" if self.cut else f"longest gap {self.stream_gap:.2f} s"
        return (
            f"stream: {self.answers} answers, {stream}; "
            f"pings: {self.lost} of {self.pings} lost, longest gap {self.ping_gap:.2f} s"
        )


class Watched:
    """Both under way."""

    def __init__(self, site: Site, stream: subprocess.Popen[bytes], talk: Path, ping: Path) -> None:
        self._site, self._stream, self._talk, self._ping = site, stream, talk, ping

    def wait_for_an_answer(self) -> None:
        """From now on. Raises GuestError."""
        before = self._answers()
        self._site.guest.wait(lambda: self._answers() > before or self._cut(), seconds=120, what="an answer")

    def seen(self, since: float = 0.0) -> Seen:
        """From `since` on, in seconds of the epoch; at least one answer and one ping must have come."""
        lines = (line.split() for line in self._talk.read_text().splitlines())
        talked = [float(line[1]) for line in lines if len(line) == 2 and line[0].isdigit()]
        heard = re.findall(r"\[([\d.]+)\].*icmp_seq=(\d+) ttl", self._ping.read_text())
        numbers = [int(number) for at, number in heard if float(at) >= since]
        pinged = [float(at) for at, _ in heard if float(at) >= since]
        sent = numbers[-1] - numbers[0] + 1
        answers = [at for at in talked if at >= since]
        return Seen(len(answers), _longest(answers), self._cut(), sent, sent - len(numbers), _longest(pinged))

    def _answers(self) -> int:
        return len(self._talk.read_text().splitlines())

    def _cut(self) -> bool:
        return self._stream.poll() is not None


@contextlib.contextmanager
def watched(site: Site, folder: Path) -> Iterator[Watched]:
    """From a host behind the unit to the router's side; ends with the context."""
    echo, talk, ping = folder / "echo.py", folder / "talk.log", folder / "ping.log"
    echo.write_text(_ECHO)
    pinging = ("ping", "-n", "-D", "-i", "0.1", "-W", "30", ROUTER)
    with site.wan.running(sys.executable, echo), site.lan.running(*pinging, log=ping):
        listening = lambda: f":{_PORT}" in site.wan.run("ss", "-ltn").stdout  # noqa: E731
        site.guest.wait(listening, seconds=20, what="the echo server")
        with site.lan.running(sys.executable, "-c", _TALK, log=talk) as stream:
            found = Watched(site, stream, talk, ping)
            found.wait_for_an_answer()
            yield found


def _longest(times: list[float]) -> float:
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)
