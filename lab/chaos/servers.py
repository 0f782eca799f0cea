"""An update server that does not do as it should: `python -m lab.chaos.servers MODE --directory D --bind ADDRESS PORT`.

Over the files of a published repository, as they are at the start. What it does wrong is one of `MODES`; everything else about it is honest.
"""

import argparse
import shutil
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote, urlsplit

_SILENCE: Final = 600
"""Seconds that a stalling server says nothing; nobody waits as long."""
_PIECE: Final = 64 * 1024


class Answer(BaseHTTPRequestHandler):
    """GET of a file, without ranges: what arrives is what this server makes of it."""

    protocol_version = "HTTP/1.1"
    directory: Path
    misdeed: "Callable[[Answer, Path, BinaryIO, int], None]"

    def do_GET(self) -> None:
        path = (self.directory / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
        if not path.is_relative_to(self.directory) or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with path.open("rb") as opened:
            size = path.stat().st_size
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            type(self).misdeed(self, path, opened, size)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def _lie(answer: Answer, path: Path, opened: BinaryIO, size: int) -> None:
    """True metadata, and contents with a bit turned in the middle."""
    opened.seek(size // 2)
    wrong = bytes([opened.read(1)[0] ^ 1]) if size and path.parent.name != "metadata" else b""
    opened.seek(0)
    _copy(answer, opened, size // 2 if wrong else size)
    if wrong:
        answer.wfile.write(wrong)
        opened.seek(size // 2 + 1)
        shutil.copyfileobj(opened, answer.wfile, _PIECE)


def _forge(answer: Answer, path: Path, opened: BinaryIO, size: int) -> None:
    """Metadata that say something else than what was signed."""
    content = opened.read(size)
    forged = content.replace(b'"version":', b'"versiom":', 1) if path.parent.name == "metadata" else content
    answer.wfile.write(forged)


def _stall(answer: Answer, _: Path, opened: BinaryIO, size: int) -> None:
    """Half of each file, and then silence."""
    _copy(answer, opened, size // 2)
    answer.wfile.flush()
    time.sleep(_SILENCE)


def _truncate(answer: Answer, _: Path, opened: BinaryIO, size: int) -> None:
    """Half of each file, and then the end of the connection."""
    _copy(answer, opened, size // 2)
    answer.close_connection = True


def _copy(answer: Answer, opened: BinaryIO, size: int) -> None:
    while size and (piece := opened.read(min(_PIECE, size))):
        answer.wfile.write(piece)
        size -= len(piece)


MODES: Final[dict[str, Callable[[Answer, Path, BinaryIO, int], None]]] = {
    "lying": _lie,
    "forging": _forge,
    "stalling": _stall,
    "truncating": _truncate,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="servers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("port", type=int)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--bind", required=True)
    options = parser.parse_args()
    Answer.directory, Answer.misdeed = options.directory.resolve(), MODES[options.mode]
    with ThreadingHTTPServer((options.bind, options.port), Answer) as server:
        server.daemon_threads = True
        server.serve_forever()


if __name__ == "__main__":
    main()
