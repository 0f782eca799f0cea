"""A feed over HTTP, bounded in every direction: bytes, seconds, redirects; asked for only if it changed.

Redirects are followed by hand, a few of them, never from https to http. A page in HTML is never a feed: it is what
captive networks, expired domains and error handlers send with status 200. Nothing here judges what was received.
"""

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urljoin, urlsplit

import urllib3

from omamori.signing.packs.errors import FeedError

_CHUNK = 256 << 10
_REDIRECTS = 5
_MOVED = frozenset((301, 302, 303, 307, 308))
_CONNECT, _SILENCE = 15.0, 30.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the last good answer of an address said of itself."""

    url: str = ""
    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`changed` is false where the server says that what we have is what it has; nothing was written then."""

    url: str
    etag: str
    modified: str
    changed: bool


class Client:
    """Use in a `with`. `ca` names PEM certificates to believe in place of the system's."""

    def __init__(self, ca: Path | None = None) -> None:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        timeout = urllib3.Timeout(connect=_CONNECT, read=_SILENCE)
        self._pool = urllib3.PoolManager(ssl_context=context, timeout=timeout, retries=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def fetch(self, url: str, to: Path, known: Known, *, most: int, seconds: float) -> Answer:
        """The content of `url` in the file `to`. Raises FeedError, OSError.

        It runs in a thread that is left to itself when time is up: looking a name up, and a header that comes letter by
        letter, cannot be cut off otherwise.
        """
        outcome: list[Answer | Exception] = []

        def work() -> None:
            try:
                outcome.append(self._fetch(url, to, known, most, time.monotonic() + seconds))
            except Exception as error:  # noqa: BLE001 - raised again by the caller
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(seconds + 1)
        if not outcome:
            raise FeedError(f"{url}: not received in the time allowed")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _fetch(self, url: str, to: Path, known: Known, most: int, end: float) -> Answer:
        headers = {"User-Agent": "omamori-feeds", "Accept-Encoding": "identity"}
        if known.url == url and known.etag:
            headers["If-None-Match"] = known.etag
        if known.url == url and known.modified:
            headers["If-Modified-Since"] = known.modified
        try:
            with self._opened(url, headers, end) as response:
                return self._taken(url, response, to, most, end)
        except urllib3.exceptions.TimeoutError as error:
            raise FeedError(f"{url}: silent for too long") from error
        except urllib3.exceptions.ProtocolError as error:
            raise FeedError(f"{url}: the answer ends early: {error}"[:400]) from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise FeedError(f"{url}: {error}"[:400]) from error

    @contextlib.contextmanager
    def _opened(self, url: str, headers: dict[str, str], end: float) -> Iterator[urllib3.BaseHTTPResponse]:
        """The first answer that is no redirect; whatever it does, it is cut off at `end`."""
        for _ in range(_REDIRECTS + 1):
            left = min(_SILENCE, _left(url, end))
            response = self._pool.request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=min(_CONNECT, left), read=left),
            )
            with contextlib.closing(response):
                if response.status not in _MOVED:
                    yield response
                    return
                url = _next(url, response.headers.get("Location", ""))
        raise FeedError(f"{url}: more than {_REDIRECTS} redirects")

    def _taken(self, url: str, response: urllib3.BaseHTTPResponse, to: Path, most: int, end: float) -> Answer:
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        if response.status == 304:
            return Answer(url, etag, modified, changed=False)
        if response.status != 200:
            raise FeedError(f"{url}: the server answers {response.status}")
        _check_head(url, response, most)
        with to.open("wb") as file:
            for chunk in _chunks(response, url, end):
                if file.tell() + len(chunk) > most:
                    raise FeedError(f"{url}: more than the {most:,} bytes that are allowed")
                file.write(chunk)
            if not file.tell():
                raise FeedError(f"{url}: the answer is empty")
        return Answer(url, etag[:400], modified[:100], changed=True)


def _check_head(url: str, response: urllib3.BaseHTTPResponse, most: int) -> None:
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind in {"text/html", "application/xhtml+xml"}:
        raise FeedError(f"{url}: a web page ({kind}) and no feed")
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > most:
        raise FeedError(f"{url}: {int(announced):,} bytes announced, {most:,} are allowed")


def _chunks(response: urllib3.BaseHTTPResponse, url: str, end: float) -> Iterator[bytes]:
    """As it is stored; a server that sends a byte at a time is cut off like one that is silent."""
    while chunk := response.read1(_CHUNK, decode_content=False):
        _left(url, end)
        yield chunk


def _next(url: str, location: str) -> str:
    following = urljoin(url, location)
    scheme = urlsplit(following).scheme
    if not location or scheme not in {"http", "https"}:
        raise FeedError(f"{url}: a redirect to {location[:80]!r}")
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise FeedError(f"{url}: a redirect from https to http")
    return following


def _left(url: str, end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise FeedError(f"{url}: not received in the time allowed")
    return left
