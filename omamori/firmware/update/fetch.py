"""HTTP from the fleet's server, bounded in every direction: connect and read time, least rate, announced length.

Trust does not come from here (TUF signs every byte), but nothing a server does may hold a unit up or fill its disk.
Only the fleet's own CA is believed; redirects are not followed; content is asked for as it is stored.
"""

import contextlib
import ssl
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import urllib3
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

CHUNK = 256 * 1024
LONGEST_WAIT = 10.0
"""Seconds between two reads of a braked download; a server hangs up on who waits too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a download is. Seconds, and bytes a second."""

    connect: float = 15.0
    read: float = 30.0
    """Longest silence."""
    least_rate: float = 2048.0
    """Average since the start, checked once `grace` is over."""
    grace: float = 30.0
    most_rate: float = 0.0
    """What the customer's line may be loaded with, on average; 0 is as much as there is."""
    total: float = 0.0
    """For all answers together; 0 is no bound."""


class Source(FetcherInterface):
    """Where a repository is: bytes by URL, from any place in a file on. Nothing it gives is believed (trust.py)."""

    received: int = 0
    """Bytes of all answers so far."""

    @abstractmethod
    def open(self, url: str, offset: int, end: int | None = None) -> tuple[int, Iterator[bytes]]:
        """(the offset it starts from, the bytes up to `end`, or all). Raises DownloadHTTPError, SlowRetrievalError, HTTPError, OSError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        """For metadata. Raises as `open` does."""
        return self.open(url, 0)[1]


class Fetcher(Source):
    """One answer at a time. `ca` is a file with the PEM certificates of the fleet's CA; without one, only plain HTTP works.

    By way of a proxy TLS still ends at the server: the proxy only carries it (CONNECT).
    """

    def __init__(
        self,
        ca: Path | None,
        *,
        limits: Limits | None = None,
        proxy: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._response: urllib3.BaseHTTPResponse | None = None
        self._limits, self._clock = limits or Limits(), clock
        self._spent = 0.0
        most = self._limits.most_rate
        self._piece = min(CHUNK, max(int(most / 4), 4096)) if most else CHUNK
        timeout = urllib3.Timeout(connect=self._limits.connect, read=self._limits.read)
        # Who answers "later" is not waited for: the next run comes soon enough, and a server could say any number of hours.
        retries = urllib3.Retry(
            2, read=0, redirect=0, other=0, status=0, backoff_factor=0.5,
            raise_on_redirect=False, respect_retry_after_header=False,
        )  # fmt: skip
        context = _context(ca)
        self._pool = (
            urllib3.ProxyManager(
                f"http://{proxy}", timeout=timeout, retries=retries, ssl_context=context, num_pools=2
            )
            if proxy
            else urllib3.PoolManager(timeout=timeout, retries=retries, ssl_context=context, num_pools=2)
        )

    def open(self, url: str, offset: int, end: int | None = None) -> tuple[int, Iterator[bytes]]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "omamori-update"}
        self._drop()
        if offset or end is not None:
            headers["Range"] = f"bytes={offset}-{'' if end is None else end - 1}"
        try:
            response = self._pool.request("GET", url, headers=headers, preload_content=False)
        except urllib3.exceptions.MaxRetryError as error:
            if _timed_out(error.reason):
                raise SlowRetrievalError(f"no answer from {url}") from error
            raise
        self._response = response
        if response.status not in {200, 206}:
            raise DownloadHTTPError(f"status {response.status} for {url}", response.status)
        return _start(response, offset), self._chunks(response)

    def close(self) -> None:
        """End every connection."""
        self._drop()
        self._pool.clear()

    def _drop(self) -> None:
        """End an answer that nobody read to its end."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _chunks(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        began, received, spent = self._clock(), 0, self._spent
        try:
            while chunk := response.read1(self._piece, decode_content=False):
                received += len(chunk)
                self.received += len(chunk)
                self._spent = spent + self._clock() - began
                self._require_rate(self._clock() - began, received)
                self._brake(self._clock() - began, received)
                yield chunk
            response.release_conn()
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError(
                f"silent for {self._limits.read:.0f} s after {received:,} bytes"
            ) from error

    def _brake(self, seconds: float, received: int) -> None:
        """Wait as long as it should have taken. What is not read, the server does not send (TCP's own window)."""
        if self._limits.most_rate and (early := received / self._limits.most_rate - seconds) > 0:
            time.sleep(min(early, LONGEST_WAIT))

    def _require_rate(self, seconds: float, received: int) -> None:
        if seconds > self._limits.grace and received < seconds * self._limits.least_rate:
            raise SlowRetrievalError(f"{received:,} bytes in {seconds:.0f} s")
        if self._limits.total and self._spent > self._limits.total:
            raise SlowRetrievalError(f"all answers together took {self._spent:.0f} s")


@dataclass(frozen=True, slots=True)
class Mirror:
    """Who has copies of the repository's files, and below which URL."""

    url: str
    source: Source
    mark: Path
    """There while it is asked: a run that never came back from it leaves it behind."""

    def begin(self) -> str:
        """Why it cannot be asked; empty where it can."""
        try:
            self.mark.touch()
        except OSError as error:
            return str(error)
        return ""

    def ended(self) -> None:
        """It came to an end, whichever. Where that cannot be kept, the mirror is not asked for a day."""
        with contextlib.suppress(OSError):
            self.mark.unlink(missing_ok=True)


def _timed_out(reason: Exception | None) -> bool:
    """urllib3 files a refused connection under time-outs too."""
    timeouts = (urllib3.exceptions.TimeoutError,)
    return isinstance(reason, timeouts) and not isinstance(reason, urllib3.exceptions.NewConnectionError)


def _context(ca: Path | None) -> ssl.SSLContext:
    """Raises OSError, ssl.SSLError for a CA file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        context.load_verify_locations(cafile=ca)
    return context


def _start(response: urllib3.BaseHTTPResponse, offset: int) -> int:
    """A server may answer a Range request from the start, or from where it was asked; nothing else counts."""
    if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return offset
    if response.status == 200:
        return 0
    raise DownloadHTTPError("a range that was not asked for", response.status)
