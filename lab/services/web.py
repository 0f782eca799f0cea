"""A web server for scenarios: ordinary pages, a big file, a file with the EICAR test string, plain or over TLS.

`python -m lab.services.web --bind 203.0.113.10 --port 80 [--certificate PEM]`. Every body is a pure function of its
path, so that a test can tell which bytes arrived without keeping them.
"""

import argparse
import hashlib
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

BLOCK = 64 * 1024
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST" + b"-FILE!$H+H*"
"""The standard antivirus test string, in two parts so that no scanner stops at this file."""
BEFORE = b"Quarterly figures, page one.\n" * 200
AFTER = b"Quarterly figures, page two.\n" * 4000


def page(host: str) -> bytes:
    """An ordinary page."""
    return f"<!doctype html><title>{host}</title><p>An ordinary page of {host}.</p>\n".encode()


def big(size: int) -> Iterator[bytes]:
    """`size` bytes that look random and compress badly, in blocks."""
    block = b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(BLOCK // 32))
    for start in range(0, size, BLOCK):
        yield block[: min(BLOCK, size - start)]


def digest(size: int) -> str:
    """SHA-256 of `big(size)`."""
    state = hashlib.sha256()
    for block in big(size):
        state.update(block)
    return state.hexdigest()


def infected() -> bytes:
    """A harmless text, then the EICAR string, then more text."""
    return BEFORE + EICAR + AFTER


class Handler(BaseHTTPRequestHandler):
    """GET and POST of the paths above; everything else is a small page too."""

    protocol_version = "HTTP/1.1"
    quiet: ClassVar[bool] = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        match url.path:
            case "/big.bin":
                megabytes = float(parse_qs(url.query).get("mb", ["50"])[0])
                self._send_blocks(int(megabytes * 1_000_000))
            case "/report.txt":
                self._send(infected(), "text/plain")
            case _:
                self._send(page(self.headers.get("Host", "?")), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        self.rfile.read(min(int(self.headers.get("Content-Length", "0")), 10_000_000))
        self._send(b"stored\n", "text/plain")

    def _send(self, body: bytes, kind: str) -> None:
        self._head(len(body), kind)
        self.wfile.write(body)

    def _send_blocks(self, size: int) -> None:
        self._head(size, "application/octet-stream")
        for block in big(size):
            self.wfile.write(block)

    def _head(self, size: int, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        if not self.quiet:
            super().log_message(format, *args)


class Server(ThreadingHTTPServer):
    """Does not wait for idle keep-alive connections when it stops."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--certificate", help="PEM file with key and certificate: serve TLS")
    chosen = parser.parse_args()
    Server.address_family = socket.AF_INET6 if ":" in chosen.bind else socket.AF_INET
    server = Server((chosen.bind, chosen.port), Handler)
    if chosen.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chosen.certificate)
        # The handshake belongs to the connection's own thread: one that never finishes holds up nobody else.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
