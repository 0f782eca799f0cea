"""A real HTTP server of feeds on loopback, which behaves until a path is told to misbehave."""

import hashlib
import http.server
import threading
from collections.abc import Callable
from email.utils import formatdate


class Handler(http.server.BaseHTTPRequestHandler):
    """Content by path, with ETag and Last-Modified."""

    server: "FeedServer"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        fault = self.server.faults.get(self.path)
        if fault:
            fault(self)
            return
        self.usual()

    def usual(self) -> None:
        content = self.server.content.get(self.path)
        if content is None:
            self.send_error(404)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.end_headers()
            return
        self.answer(content, {"ETag": etag, "Last-Modified": formatdate(1_700_000_000, usegmt=True)})

    def answer(
        self,
        content: bytes,
        headers: dict[str, str] | None = None,
        *,
        length: int | None = None,
        kind: str = "text/plain",
    ) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def go_to(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class FeedServer(http.server.ThreadingHTTPServer):
    """`content` by path; a path in `faults` is answered by that function instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.faults: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        """Set when the test ends, so that a fault may wait until then."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up on an endless answer is what these tests want."""
