"""The time by agreement of several servers, each heard over TLS, before anything is judged by it (decision 0018).

A certificate's dates cannot be checked with a clock that may be wrong, so they are checked with the time its own server
says: chain and name as always, each certificate of the chain valid at that time. What more than half of all servers agree
on within two minutes is the time, unless it is before the newest time that is known to be past.
"""

import contextlib
import email.utils
import http.client
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError

TOLERANCE: Final = timedelta(minutes=2)
PATIENCE: Final = 5.0
"""Seconds for each step with one server."""
MOST: Final = 7
"""Servers that are asked."""
PUBLIC: Final = "etc/ssl/certs/ca-certificates.crt"
_NO_CHECK_TIME: Final = 0x200000
"""`X509_V_FLAG_NO_CHECK_TIME` (openssl, include/openssl/x509_vfy.h)."""


@dataclass(frozen=True, slots=True)
class Server:
    """Who is asked. `ca` is a file below the unit's root; empty are the public authorities."""

    url: str
    ca: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """`/usr/lib/omamori/time.json`, part of the image: who is asked beside the fleet."""

    servers: tuple[Server, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one server says, and in which time all certificates of its chain are valid."""

    time: datetime
    valid_from: datetime
    valid_until: datetime


def agreement(answers: Sequence[Answer], asked: int, floor: datetime | None) -> datetime | None:
    """The time that more than half of the `asked` servers say; None where they do not agree."""
    said = sorted(
        answer.time
        for answer in answers
        if answer.valid_from <= answer.time <= answer.valid_until and (floor is None or answer.time >= floor)
    )
    groups = (
        [later for later in said[first:] if later - said[first] <= TOLERANCE] for first in range(len(said))
    )
    largest = max(groups, key=len, default=[])
    return largest[len(largest) // 2] if len(largest) * 2 > asked else None


def agreed(paths: Paths, fleet: Server | None, floor: datetime | None) -> datetime | None:
    """Ask them all, one after the other."""
    servers = list(dict.fromkeys([*([fleet] if fleet else []), *listed(paths)]))[:MOST]
    began = time.monotonic()
    heard = [(answer, time.monotonic()) for server in servers if (answer := ask(paths.root, server))]
    ended = time.monotonic()
    moved = [
        Answer(answer.time + timedelta(seconds=ended - at), answer.valid_from, answer.valid_until)
        for answer, at in heard
    ]
    return agreement(moved, len(servers), floor) if ended >= began else None


def listed(paths: Paths) -> tuple[Server, ...]:
    """The image's servers; none where it names none."""
    try:
        return wire.from_wire(
            Listed, wire.load(files.read_capped(paths.root / "usr/lib/omamori/time.json"))
        ).servers
    except (OSError, ProtocolError):
        return ()


def ask(root: Path, server: Server) -> Answer | None:
    """What it says, or None for whatever goes wrong."""
    place = urlsplit(server.url)
    try:
        context = _context(root / (server.ca.lstrip("/") or PUBLIC))
        if place.scheme != "https" or not place.hostname:
            return None
        connection = http.client.HTTPSConnection(
            place.hostname, place.port or 443, timeout=PATIENCE, context=context
        )
        with contextlib.closing(connection):
            connection.connect()
            certain = _validity(connection.sock)
            connection.request("HEAD", "/", headers={"User-Agent": "omamori-update"})
            said = email.utils.parsedate_to_datetime(connection.getresponse().getheader("Date") or "")
        return Answer(said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC), *certain)
    except (OSError, ValueError, OverflowError, http.client.HTTPException):
        return None


def clamp(now: datetime, set_clock: Callable[[datetime], None], right: datetime | None) -> str:
    """Put a clock that is wrong right; what was done about it in words, empty where nothing was."""
    if right is None or abs(right - now) <= TOLERANCE:
        return ""
    try:
        set_clock(right)
    except OSError as error:
        return f"the clock says {now:%Y-%m-%d %H:%M} and cannot be set to {right:%Y-%m-%d %H:%M}: {error}"
    return f"the clock said {now:%Y-%m-%d %H:%M} and was set to {right:%Y-%m-%d %H:%M}"


def newest(times: Iterable[datetime | None]) -> datetime | None:
    """The latest of those that are known."""
    return max((moment for moment in times if moment is not None), default=None)


def _context(ca: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=ca)
    context.verify_flags |= _NO_CHECK_TIME
    return context


def _validity(connection: ssl.SSLSocket) -> tuple[datetime, datetime]:
    """In which time the whole chain is valid. The public method for it is Python 3.13's and lacks the dates."""
    chain = [certificate.get_info() for certificate in connection._sslobj.get_verified_chain()]  # type: ignore[attr-defined] # noqa: SLF001 - see above
    starts = max(ssl.cert_time_to_seconds(info["notBefore"]) for info in chain)
    ends = min(ssl.cert_time_to_seconds(info["notAfter"]) for info in chain)
    return datetime.fromtimestamp(starts, UTC), datetime.fromtimestamp(ends, UTC)
