"""A fleet made of a signed repository behind a real HTTPS server on loopback, with faults by path."""

import http.server
import os
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omamori.protocol.version import Version
from omamori.signing import operations
from omamori.signing.notes import Notes
from omamori.signing.policy import POLICIES
from omamori.signing.repository import Repository
from tests.firmware.update.releases import make_bundle


class Handler(http.server.SimpleHTTPRequestHandler):
    """Static files with Range, and faults by path."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        for part, fault in self.server.faults.items():
            if part in self.path and (".chunks" in part or not self.path.endswith(".chunks")):
                fault(self)
                return
        self.whole()

    def whole(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        end = int(found[2]) + 1 if found and found[2] else len(content)
        self.answer(content[start:end], 206 if found else 200, start=start, total=len(content))

    def answer(
        self, content: bytes, status: int = 200, *, start: int = 0, total: int = 0, length: int = -1
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length < 0 else length))
        if status == 206:
            last = start + len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{total}")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, directory: Path, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), lambda *args: Handler(*args, directory=str(directory)))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.faults: dict[str, Callable[[Handler], None]] = {}
        self.asked: list[tuple[str, str]] = []

    def handle_error(self, *_: object) -> None:
        """A client that hangs up on an endless answer is what these tests want."""


class Fleet:
    """A repository and where it is served."""

    def __init__(self, place: Path, server: Server) -> None:
        self.place, self.server = place, server
        self.repository = Repository(place / "tuf")
        operations.init(self.repository, POLICIES["development"], datetime.now(UTC))
        self.publish()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    def publish(self, *, at: datetime | None = None) -> None:
        operations.publish(self.repository, self.place / "www/tuf", at or datetime.now(UTC))

    def release(
        self,
        version: str,
        *,
        at: datetime | None = None,
        variant: str = "test",
        root: bytes | None = None,
        notes: Notes | None = None,
        start: Mapping[str, Any] | None = None,
        **changes: object,
    ) -> Path:
        """Sign and publish firmware; with `changes` to the manifest it is signed as it is, unchecked."""
        path = make_bundle(
            self.place / f"{version}.bundle", version, variant=variant, root=root, start=start, **changes
        )
        now = at or datetime.now(UTC)
        if changes:
            self.sign_unchecked("firmware", f"firmware/test-{version}.bundle", path)
        else:
            operations.add_firmware(self.repository, path, now, replace=False, dry=False, notes=notes)
        self.publish(at=now)
        return path

    def sign_unchecked(self, role: str, name: str, path: Path) -> None:
        """What a careless release engineer, or a thief with the keys, would sign."""
        with self.repository.locked():
            draft = self.repository.draft(datetime.now(UTC))
            draft.add_target(role, self.repository.store_target(name, path))
            self.repository.write(draft.seal())
        self.publish()

    def release_pack(self, version: str, size: int = 50_000, content: bytes = b"") -> Path:
        path = self.place / f"{version}.pack"
        path.write_bytes(content or os.urandom(size))
        operations.add_pack(
            self.repository, path, Version.parse(version), datetime.now(UTC), replace=False, dry=False
        )
        self.publish()
        return path

    def served(self, pattern: str) -> Path:
        """The one published file that fits."""
        (found,) = (self.place / "www/tuf").glob(pattern)
        return found
