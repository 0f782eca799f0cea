"""The sockets: Python's own HTTP server with bounds on everything a visitor can use up.

One request a connection. Bytes, seconds and connections are limited for each visitor and for all; what is over is closed. The
listening socket comes from systemd, which keeps it while this process is not there; `serve` returns when nobody has come for a
while.
"""

import contextlib
import io
import logging
import socket
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer, ThreadingMixIn
from typing import Any, Final

from omamori.firmware.page.requests import BODY_CAP, Request, Response, fields, target

log = logging.getLogger("omamori.page")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one visitor, and all of them, may use."""

    connections: int = 32
    of_one: int = 8
    """Connections at the same time."""
    requests: int = 120
    """Of one visitor within `within` seconds."""
    within: float = 60.0
    seconds: float = 10.0
    """From the connection to the end of the answer, however slowly the visitor sends and reads."""
    bytes_in: int = 16 * 1024
    """Head and body together."""
    idle: float = 300.0
    """Seconds without a visitor after which the process ends."""


LIMITS: Final = Limits()
_REMEMBERED: Final = 256
_POLL: Final = 0.25


class Doorkeeper:
    """Who may come in. Thread-safe; remembers a bounded number of visitors."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self._inside: Counter[str] = Counter()
        self._asked: OrderedDict[str, list[float]] = OrderedDict()

    def enter(self, visitor: str) -> bool:
        """Whether there is room for a connection of theirs; each one that enters must leave."""
        with self._lock:
            full = self._inside.total() >= self._limits.connections
            if full or self._inside[visitor] >= self._limits.of_one:
                return False
            self._inside[visitor] += 1
            return True

    def leave(self, visitor: str) -> None:
        with self._lock:
            self._inside[visitor] -= 1
            if self._inside[visitor] <= 0:
                del self._inside[visitor]

    def asks_too_often(self, visitor: str, now: float) -> bool:
        """Counts this request."""
        with self._lock:
            recent = [at for at in self._asked.pop(visitor, []) if now - at < self._limits.within]
            over = len(recent) >= self._limits.requests
            self._asked[visitor] = recent if over else [*recent, now]
            while len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
            return over

    @property
    def empty(self) -> bool:
        with self._lock:
            return not self._inside.total()


class _Capped(io.RawIOBase):
    """A socket that ends after so many bytes."""

    def __init__(self, connection: socket.socket, most: int) -> None:
        self._connection, self._left = connection, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the buffer protocol has no type in 3.11
        room = min(len(buffer), self._left)
        count = self._connection.recv_into(buffer, room) if room else 0
        self._left -= count
        return count


class Server(ThreadingMixIn, BaseServer):
    """A thread for each connection, never more than the limits say."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, listener: socket.socket, answer: Callable[[Request], Response], limits: Limits = LIMITS
    ) -> None:
        super().__init__(listener.getsockname(), _Handler)
        self.socket, self.answer, self.limits = listener, answer, limits
        self.door = Doorkeeper(limits)
        self._open: dict[socket.socket, float] = {}
        self._last_visit = time.monotonic()

    def fileno(self) -> int:
        return self.socket.fileno()

    def serve(self, stopping: Callable[[], bool]) -> None:
        """Until told to stop, or until nobody has come for a while."""
        self.timeout = _POLL
        while not stopping() and not self._is_idle():
            self.handle_request()
            self._end_overdue()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """The visitor by address alone: ports and scopes change."""
        connection, address = self.socket.accept()
        return connection, (visitor(str(address[0])), int(address[1]))

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401 - socketserver's
        if not self.door.enter(client_address[0]):
            return False
        self._last_visit = time.monotonic()
        self._open[request] = self._last_visit + self.limits.seconds
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.pop(request, None)
            self.door.leave(client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - socketserver's
        """A visitor that went away is no news; a fault of ours is."""
        fault = sys.exc_info()[1]
        if not isinstance(fault, OSError):
            log.error("no answer for %s", client_address[0], exc_info=fault)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - socketserver's
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
        request.close()

    def _is_idle(self) -> bool:
        return self.door.empty and time.monotonic() - self._last_visit > self.limits.idle

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for connection, until in list(self._open.items()):
            if now > until:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0 towards us: one request, one answer, the connection ends."""

    server: Server
    server_version = "omamori"
    sys_version = ""

    def setup(self) -> None:
        self.request.settimeout(self.server.limits.seconds)
        super().setup()
        self.rfile = io.BufferedReader(_Capped(self.request, self.server.limits.bytes_in))

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.handle_one_request()

    def do_GET(self) -> None:
        self._reply(form={})

    do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or len(length) > 6:
            self.send_error(411)
        elif int(length) > BODY_CAP:
            self.send_error(413)
        elif self.headers.get_content_type() != "application/x-www-form-urlencoded":
            self.send_error(415)
        else:
            self._reply(form=fields(self.rfile.read(int(length)).decode("utf-8", "replace")))

    def _reply(self, *, form: dict[str, str]) -> None:
        peer = self.client_address[0]
        if self.server.door.asks_too_often(peer, time.monotonic()):
            self.send_error(429)
            return
        path, query = target(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        local = visitor(str(self.request.getsockname()[0]))
        request = Request(self.command, path, query, headers, form, peer, local)
        self._send(self.server.answer(request))

    def _send(self, response: Response) -> None:
        body = response.body.encode()
        self.send_response(response.status)
        for name, value in (*response.headers, ("Content-Type", response.kind)):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """In a few bytes, without repeating what was sent."""
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody's visits are recorded."""


def visitor(address: str) -> str:
    """An IPv4 address also where it came over the IPv6 socket; without the scope of a link-local one."""
    return address.removeprefix("::ffff:").partition("%")[0]
