"""Tries to reach the fleet and notes how each ends: name, connection, certificate, time, and who is on the way.

Where a proxy is set on the unit's page the tries go by it, as the agent does: it looks the name up, and what it says counts.

Runs in a thread of its own, because name servers and connections keep one waiting. Tries stop while the agent has its session:
a handshake is the fleet's scarce resource. Failures are tried again soon at first, then ever more seldom. Nothing here decides
what a failure means.
"""

import json
import queue
import random
import socket
import ssl
import struct
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from omamori.firmware.host import files
from omamori.firmware.host.way import proxy_set
from omamori.firmware.lan.observations import FleetAnswer

if TYPE_CHECKING:
    from omamori.firmware.host.settings import Proxy

PAUSES: Final = (4.0, 8.0, 15.0, 30.0, 60.0, 300.0)
"""Seconds after each failure in a row; the last one ever after. Drawn from half of it to all of it."""
REACHED_PAUSE: Final = 900.0
"""After a success: while the agent has no session, it will have one soon."""
_TIMEOUT: Final = 4.0
_ANSWER_CAP: Final = 4096
_HOPS: Final = 3
_PATIENCE: Final = 1.0
"""Seconds for routers to report."""
_NOWHERE: Final = "192.0.2.1"
"""An address of the internet that nobody has (RFC 5737): packets to it pass the first routers all the same."""
_TRACE_PORT: Final = 33_434
_RECVERR: Final = 11
_BY_ICMP: Final = 2
_EXCEEDED: Final = 11


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where the fleet is, as the claim says."""

    host: str
    port: int
    ca: Path


@dataclass(frozen=True, slots=True)
class Tried:
    """How one try ended."""

    answer: FleetAnswer
    detail: str
    hops: tuple[str, ...] = ()
    fleet_time: datetime | None = None
    ended: float = 0.0
    """Wall clock at the end, to compare `fleet_time` with."""


def read_fleet(path: Path) -> Fleet | None:
    """The agent's `fleet.json`; None where there is none that can be read."""
    try:
        value = json.loads(files.read_capped(path))
        url = urlsplit(str(value["url"]))
        port = url.port or (443 if url.scheme == "https" else 80)
        return Fleet(url.hostname or "", port, Path(str(value["ca"]))) if url.hostname else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def attempt(fleet: Fleet) -> Tried:
    """One try; takes up to about twenty seconds."""
    try:
        found = socket.getaddrinfo(fleet.host, fleet.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        hops = trace(_NOWHERE)
        if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}:
            return Tried(FleetAnswer.NO_NAME, f"the name servers do not know {fleet.host}", hops)
        return Tried(FleetAnswer.NAMES_SILENT, f"no name server answers for {fleet.host}", hops)
    address = str(found[0][4][0])
    hops = trace(address if ":" not in address else _NOWHERE)
    tried = _converse(fleet, address, hops)
    if tried.answer in {FleetAnswer.SILENT, FleetAnswer.REFUSED} and (told := _portal(fleet.host, address)):
        return Tried(FleetAnswer.INTERCEPTED, told, hops)
    return tried


def attempt_by(proxy: "Proxy", fleet: Fleet) -> Tried:
    """One try by way of a proxy; takes up to about ten seconds."""
    from omamori.firmware.host import tunnel

    hops, where = trace(_NOWHERE), f"{fleet.host} port {fleet.port} by way of the proxy {proxy}"
    try:
        context = _context(fleet.ca)
    except OSError as error:
        return Tried(FleetAnswer.UNKNOWN, f"the fleet's certificate cannot be read: {error}", hops)
    try:
        connection = tunnel.connect(fleet.host, fleet.port, proxy=proxy, timeout=_TIMEOUT)
    except tunnel.ProxyRefused as error:
        # 5xx: the proxy itself gets no further (RFC 9110 15.6); everything else is about us.
        beyond = error.status.startswith("5")
        return Tried(FleetAnswer.SILENT if beyond else FleetAnswer.INTERCEPTED, str(error), hops)
    except (ConnectionRefusedError, socket.gaierror) as error:
        text = f"the proxy {proxy} of the unit's settings is not there ({error.strerror})"
        return Tried(FleetAnswer.INTERCEPTED, text, hops)
    except OSError as error:
        return Tried(FleetAnswer.SILENT, f"the proxy {proxy} does not answer ({error})", hops)
    with connection:
        return _handshake(fleet, context, connection, where, hops)


def _converse(fleet: Fleet, address: str, hops: tuple[str, ...]) -> Tried:
    where = f"{fleet.host} ({address}) port {fleet.port}"
    try:
        context = _context(fleet.ca)
    except OSError as error:
        return Tried(FleetAnswer.UNKNOWN, f"the fleet's certificate cannot be read: {error}", hops)
    try:
        connection = socket.create_connection((address, fleet.port), timeout=_TIMEOUT)
    except ConnectionRefusedError:
        return Tried(FleetAnswer.REFUSED, f"{where} refuses connections", hops)
    except OSError as error:
        return Tried(FleetAnswer.SILENT, f"{where} does not answer ({error.strerror or 'timed out'})", hops)
    with connection:
        return _handshake(fleet, context, connection, where, hops)


def _handshake(
    fleet: Fleet, context: ssl.SSLContext, connection: socket.socket, where: str, hops: tuple[str, ...]
) -> Tried:
    try:
        with context.wrap_socket(connection, server_hostname=fleet.host) as secured:
            return Tried(
                FleetAnswer.REACHED, f"{where} answers", hops, _their_time(secured, fleet), time.time()
            )
    except ssl.SSLCertVerificationError as error:
        text = f"{where} shows a certificate that is not the fleet's: {error.verify_message}"
        untimely = error.verify_code in {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
        return Tried(FleetAnswer.UNTIMELY if untimely else FleetAnswer.INTERCEPTED, text, hops)
    except ssl.SSLEOFError:
        return Tried(FleetAnswer.SILENT, f"{where} hangs up during the handshake", hops)
    except ssl.SSLError as error:
        return Tried(FleetAnswer.INTERCEPTED, f"{where} answers, but not in TLS ({error.reason})", hops)
    except OSError as error:
        return Tried(FleetAnswer.SILENT, f"{where} connects and then is silent ({error})", hops)


def _context(authority: Path) -> ssl.SSLContext:
    """Trusts what the agent trusts, as strictly as the agent does. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=str(authority))
    return context


def _their_time(secured: ssl.SSLSocket, fleet: Fleet) -> datetime | None:
    """The Date of an answer to a small question that anybody may ask."""
    request = f"HEAD /tuf/metadata/timestamp.json HTTP/1.1\r\nHost: {fleet.host}\r\nConnection: close\r\n\r\n"
    try:
        secured.sendall(request.encode("idna" if not fleet.host.isascii() else "ascii"))
        head = secured.recv(_ANSWER_CAP).decode("latin-1")
    except (OSError, UnicodeError):
        return None
    dates = (line[5:].strip() for line in head.split("\r\n") if line.lower().startswith("date:"))
    try:
        return parsedate_to_datetime(next(dates, "")).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _portal(host: str, address: str) -> str:
    """What a sign-in page says on port 80 in the fleet's place; empty where nobody does."""
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: omamori\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((address, 80), timeout=_TIMEOUT) as plain:
            plain.settimeout(_TIMEOUT)
            plain.sendall(request.encode("ascii", "replace"))
            head = plain.recv(_ANSWER_CAP).decode("latin-1")
    except OSError:
        return ""
    return redirected(head, host)


def redirected(head: str, host: str) -> str:
    """Where an answer leads away from the host that was asked; empty where it does not."""
    first, *lines = head.split("\r\n")
    status = first.split(" ")[1] if first.startswith("HTTP/") and " " in first else ""
    location = next((line[9:].strip() for line in lines if line.lower().startswith("location:")), "")
    if status == "511" or (status[:1] == "3" and _host_in(location) not in {host, None}):
        shown = "".join(letter for letter in location if letter.isprintable())[:120]
        return f"web requests to {host} are answered with status {status} and sent to {shown or 'a sign-in page'}"
    return ""


def _host_in(location: str) -> str | None:
    """None for a place on the same host; empty for what is no URL, which is nobody's own."""
    try:
        return urlsplit(location).hostname
    except ValueError:
        return ""


# --- who is on the way --------------------------------------------------------------------------------------------


def trace(target: str) -> tuple[str, ...]:
    """Who says that a packet's hops are used up after 1, 2 and 3 routers (RFC 792); empty text where nobody does."""
    with ExitStack() as stack:
        sockets = [_sent(stack, target, ttl) for ttl in range(1, _HOPS + 1)]
        told: list[str | None] = [None if out else "" for out in sockets]
        until = time.monotonic() + _PATIENCE
        while None in told and time.monotonic() < until:
            time.sleep(0.02)
            told = [
                _told(out) if out and word is None else word for out, word in zip(sockets, told, strict=True)
            ]
    return tuple(word or "" for word in told)


def _sent(stack: ExitStack, target: str, ttl: int) -> socket.socket | None:
    """A socket that has sent one packet with this TTL; None where there is no way there."""
    out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    try:
        out.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        out.setsockopt(socket.IPPROTO_IP, _RECVERR, 1)
        out.connect((target, _TRACE_PORT + ttl))
        out.send(b"omamori")
    except OSError:
        return None
    return out


def _told(out: socket.socket) -> str | None:
    """The router that reported in the socket's error queue (ip(7): sock_extended_err and its sender).

    Empty where another report came: the packet has arrived, or was refused. None while there is none.
    """
    try:
        _, control, _, _ = out.recvmsg(64, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except OSError:
        return None
    for level, kind, data in control:
        if (level, kind) == (socket.IPPROTO_IP, _RECVERR) and len(data) >= 24:
            _errno, origin, reported = struct.unpack_from("=IBB", data)
            return socket.inet_ntoa(data[20:24]) if (origin, reported) == (_BY_ICMP, _EXCEEDED) else ""
    return ""


# --- the thread ---------------------------------------------------------------------------------------------------


class Mode(Enum):
    """What the thread is to do."""

    REST = "rest"
    """There is no address to try from."""
    TRACE = "trace"
    """The agent has its session: only look who is on the way, now and then."""
    TRY = "try"


class Outreach:
    """Does as its mode says. Close it, or use it in a `with`; an unfinished try ends with the process."""

    def __init__(self, fleet_file: Path, settings_file: Path) -> None:
        self._fleet_file, self._settings_file = fleet_file, settings_file
        self._results: queue.SimpleQueue[tuple[int, Tried]] = queue.SimpleQueue()
        self._round = 0
        self._again, self._stopping = threading.Event(), threading.Event()
        self._mode = Mode.REST

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="outreach", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._again.set()

    def turn_to(self, mode: Mode) -> None:
        """From now on; a new mode begins at once."""
        if mode is not self._mode:
            self._mode = mode
            self._again.set()

    def anew(self) -> None:
        """The way out changed: do not wait out the pause, and what began on the old way does not count."""
        self._round += 1
        self._again.set()

    def results(self) -> list[Tried]:
        """Tries that ended since the last call, without those that began before the way changed."""
        found = []
        while not self._results.empty():
            began, tried = self._results.get()
            if began == self._round:
                found.append(tried)
        return found

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began, tried = self._round, self._one()
            if tried is None:
                self._wait(1.0)
                continue
            self._results.put((began, tried))
            failures = 0 if tried.answer is FleetAnswer.REACHED else failures + 1
            pause = PAUSES[min(failures, len(PAUSES)) - 1] if failures else REACHED_PAUSE
            if self._wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 - spreads load, guards nothing
                failures = 0

    def _one(self) -> Tried | None:
        """None where there is nothing to do, or nobody has said where the fleet is."""
        match self._mode:
            case Mode.REST:
                return None
            case Mode.TRACE:
                return Tried(FleetAnswer.REACHED, "the agent has its session", trace(_NOWHERE))
            case Mode.TRY:
                return self._try()

    def _try(self) -> Tried | None:
        fleet, proxy = read_fleet(self._fleet_file), proxy_set(self._settings_file)
        if fleet is None:
            return None
        return attempt_by(proxy, fleet) if proxy else attempt(fleet)

    def _wait(self, seconds: float) -> bool:
        """Whether it was cut short."""
        cut = self._again.wait(seconds)
        self._again.clear()
        return cut


@dataclass(frozen=True, slots=True)
class Session:
    """The agent's own word about its session."""

    activated: bool = False
    connected: bool = False


def read_session(path: Path, now: datetime) -> Session:
    """From the agent's status file; a stale or missing one says that there is none."""
    try:
        value = json.loads(files.read_capped(path))
        age = now - datetime.fromisoformat(str(value["time"]))
        alive = abs(age) <= timedelta(seconds=60)
        return Session(bool(value["activated"]) and alive, bool(value["connected"]) and alive)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Session()
