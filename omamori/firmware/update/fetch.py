"""HTTP from the fleet's server, bounded in every direction: connect and read time, least rate, announced length.

Trust does not come from here (TUF signs every byte), but nothing a server does may hold a unit up or fill its disk.
Only the fleet's own CA is believed; redirects are not followed; content is asked for as it is stored.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import urllib3
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a download is. Seconds, and bytes a second."""

    connect: float = 15.0
    read: float = 30.0
    """Longest silence."""
    least_rate: float = 2048.0
    """Average since the start, checked once `grace` is over."""
    grace: float = 30.0


class Fetcher(FetcherInterface):
    """One answer at a time. `ca` is a file with the PEM certificates of the fleet's CA; without one, only plain HTTP works."""

    def __init__(
        self, ca: Path | None, *, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.received = 0
        """Bytes of all answers so far."""
        self._response: urllib3.BaseHTTPResponse | None = None
        self._limits, self._clock = limits or Limits(), clock
        timeout = urllib3.Timeout(connect=self._limits.connect, read=self._limits.read)
        retries = urllib3.Retry(2, read=0, redirect=0, other=0, backoff_factor=0.5, raise_on_redirect=False)
        self._pool = urllib3.PoolManager(
            timeout=timeout, retries=retries, ssl_context=_context(ca), num_pools=2
        )

    def _fetch(self, url: str) -> Iterator[bytes]:
        """For metadata. Raises DownloadHTTPError, SlowRetrievalError."""
        return self.open(url, 0)[1]

    def open(self, url: str, offset: int, end: int | None = None) -> tuple[int, Iterator[bytes]]:
        """(the offset the server starts from, its bytes up to `end`, or all). Raises DownloadHTTPError, SlowRetrievalError, HTTPError."""
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
        began, received = self._clock(), 0
        try:
            while chunk := response.read1(CHUNK, decode_content=False):
                received += len(chunk)
                self.received += len(chunk)
                self._require_rate(self._clock() - began, received)
                yield chunk
            response.release_conn()
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError(
                f"silent for {self._limits.read:.0f} s after {received:,} bytes"
            ) from error

    def _require_rate(self, seconds: float, received: int) -> None:
        if seconds > self._limits.grace and received < seconds * self._limits.least_rate:
            raise SlowRetrievalError(f"{received:,} bytes in {seconds:.0f} s")


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
