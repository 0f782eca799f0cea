"""The fleet's relay in a thread, with a database of one call."""

import asyncio
import contextlib
import select
import socket
import socketserver
import ssl
import sys
import threading
from pathlib import Path
from typing import Self

from omamori.fleet.support.relay import Calls, Limits, Relay
from tests.certificates import self_signed

PIPE = """
import os, socket, sys, threading
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(b'{"unit": "om-0001"}\\n')
answer = b""
while not answer.endswith(b"\\n"):
    byte = connection.recv(1)
    if not byte:
        sys.exit(1)
    answer += byte
if answer != b"go\\n":
    sys.exit(1)
def send():
    while piece := os.read(0, 65536):
        connection.sendall(piece)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while piece := connection.recv(65536):
    os.write(1, piece)
"""


def authority(place: Path) -> Path:
    """Of a relay at 127.0.0.1, with its key; the certificate alone is beside it."""
    made = self_signed("127.0.0.1")
    (place / "ca.pem").write_text(made.certificate)
    return made.write(place / "relay.pem")


class Proxy(socketserver.ThreadingTCPServer):
    """Takes CONNECT and nothing else; `asked` is where to."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        place = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append(place)
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            across = {self.connection: onward, onward: self.connection}
            while True:
                for end in select.select(list(across), [], [])[0]:
                    with contextlib.suppress(OSError):
                        if piece := end.recv(65536):
                            across[end].sendall(piece)
                            continue
                    return


class Deaf(socketserver.ThreadingTCPServer):
    """A relay that sends every unit away and does not hear it take leave; `sent` counts them."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        self.sent, self.over = 0, threading.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        super().__init__(("127.0.0.1", 0), _Away)

    def shutdown(self) -> None:
        self.over.set()
        super().shutdown()


class _Away(socketserver.BaseRequestHandler):
    server: Deaf

    def handle(self) -> None:
        with self.server.context.wrap_socket(self.request, server_side=True) as stream:
            stream.recv(4096)
            stream.sendall(b"no\n")
            self.server.sent += 1
            self.server.over.wait(60)


class Fleet:
    """`with Fleet(...)`: the relay runs, and knows one call of om-0001."""

    def __init__(self, place: Path, certificate: Path, limits: Limits | None = None) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.socket = place / "s"
        self.ca = (certificate.parent / "ca.pem").read_text()
        self.ticket, self.call, self.port = "a ticket", "c0ffee", 0
        self._certificate = certificate
        script = place / "pipe.py"
        script.write_text(PIPE)
        self.pipe = f"{sys.executable} {script} {self.socket}"
        self.down = False
        """The database cannot be asked."""
        calls = Calls(
            lambda unit, ticket: self._known(unit) != "" and ticket == self.ticket,
            self._known,
        )
        self.relay = Relay(calls, limits or Limits(look=0.2, wait=1.0, hello=30.0))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()

    def _known(self, unit: str) -> str:
        if self.down:
            raise OSError("the database is locked")
        return self.call if unit == "om-0001" else ""

    def waiting(self) -> int:
        return sum(not lane.taken for lane in self.relay._lanes)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        self._task = self._loop.create_task(self._serve(context))
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            pending = asyncio.all_tasks(self._loop)
            for task in pending:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self, context: ssl.SSLContext) -> None:
        serving = asyncio.create_task(
            self.relay.serve("127.0.0.1", 0, context, self.socket, ready=self._listening)
        )
        await serving

    def _listening(self, port: int) -> None:
        self.port = port
        self._ready.set()
