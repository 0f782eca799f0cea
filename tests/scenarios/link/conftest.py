"""A small real fleet on loopback: Mosquitto with mutual TLS, a link worker, an HTTPS unit surface, and agent processes."""

import http.server
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolWriter
from omamori.fleet.broker import RequestRefused
from omamori.fleet.broker.authority import Authority, Pair, open_authority
from omamori.fleet.broker.link import Link, LinkSettings
from omamori.fleet.broker.mosquitto import Broker, BrokerSettings
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Activated, Activation, Claim, UpBody, Upward, Want, decode, encode

SECRET = "the factory's secret"
DEVICES = """I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name="Power Button"
H: Handlers=kbd event0
B: EV=3
B: KEY=8000 10000000000000 0

I: Bus=0019 Vendor=0001 Product=0001 Version=0100
N: Name="gpio-keys"
H: Handlers=kbd event1
B: EV=3
B: KEY=20000 0 0 0 0 0 0 0 0

"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], object], *, within: float = 60.0, what: str = "") -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {what or condition}"
        time.sleep(0.05)


class Database:
    """The fleet's side in memory; keeps each key once, like the real one, and remembers what came twice."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str, int], Upward] = {}
        self.came = 0
        self.presences: list[tuple[str, bool]] = []
        self.wanted: dict[str, int] = {}
        self.before_commit: Callable[[], None] = lambda: None
        self.after_commit: Callable[[], None] = lambda: None

    def store(self, batch) -> None:
        self.before_commit()
        for message in batch:
            self.came += 1
            self.stored.setdefault((message.unit, message.boot, message.sequence), message)
        self.after_commit()

    def presence(self, unit: UnitId, *, online: bool, time: datetime) -> None:
        assert time.tzinfo
        self.presences.append((unit, online))

    def raised(self):
        return [(UnitId(unit), generation) for unit, generation in self.wanted.items()]

    def bodies(self, kind: type) -> list:
        return [message.body for message in list(self.stored.values()) if isinstance(message.body, kind)]


class UnitSurface(http.server.ThreadingHTTPServer):
    """`/unit/v1/activate` and `/unit/v1/want` over TLS, with the client's certificate where it shows one."""

    daemon_threads = True

    def __init__(self, fleet: "Fleet") -> None:
        self.fleet = fleet
        super().__init__(("127.0.0.1", fleet.https_port), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(fleet.server.certificate, fleet.server.key)
        context.load_verify_locations(fleet.root)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no event of the test."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: UnitSurface

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.server.fleet.activate(decode(Activation, raw))
        self._answer(status, body)

    def do_GET(self) -> None:
        peer = dict(pair[0] for pair in (self.connection.getpeercert() or {}).get("subject", ()))
        self._answer(*self.server.fleet.want(peer.get("commonName", "")))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Fleet:
    """Start and stop its parts at will; `close` ends what is left."""

    def __init__(self, directory: Path) -> None:
        now = datetime.now(UTC)
        self.directory = directory
        self.authority: Authority = open_authority(directory / "ca", now=now)
        self.root = directory / "ca/root.pem"
        self.server: Pair = self.authority.server(directory / "tls", ["127.0.0.1", "localhost"], now=now)
        self.mqtt_port, self.https_port = free_port(), free_port()
        self.broker = Broker(
            BrokerSettings(directory / "broker", self.root, self.server, "127.0.0.1", self.mqtt_port)
        )
        self.database = Database()
        self.activations: list[Activation] = []
        self.answer_activation_with: int | None = None
        self.wants: dict[str, Want] = {}
        self._surface: UnitSurface | None = None
        self._link: tuple[threading.Event, threading.Thread] | None = None
        self.link: Link | None = None

    def activate(self, activation: Activation) -> tuple[int, bytes]:
        self.activations.append(activation)
        if self.answer_activation_with:
            return self.answer_activation_with, b"{}"
        if activation.secret != SECRET:
            return 403, b"{}"
        try:
            chain = self.authority.sign_unit(activation.csr, activation.unit, now=datetime.now(UTC))
        except RequestRefused as refusal:
            return 400, str(refusal).encode()
        return 200, encode(Activated(chain, "127.0.0.1", self.mqtt_port))

    def want(self, unit: str) -> tuple[int, bytes]:
        return (200, encode(self.wants.get(unit, Want(0)))) if unit else (401, b"{}")

    def identity(self) -> Pair:
        return self.authority.worker(self.directory / "tls", now=datetime.now(UTC))

    def start(self, *, link: bool = True) -> None:
        self.broker.start()
        self.serve()
        if link:
            self.start_link()

    def serve(self) -> None:
        self._surface = UnitSurface(self)
        threading.Thread(target=self._surface.serve_forever, args=(0.05,), daemon=True).start()

    def start_link(self) -> None:
        settings = LinkSettings("127.0.0.1", self.mqtt_port, str(self.root), self.identity())
        self.link, stop = Link(settings, self.database), threading.Event()
        thread = threading.Thread(target=self.link.run, args=(stop,))
        thread.start()
        self._link = stop, thread

    def stop_link(self) -> None:
        if self._link:
            stop, thread = self._link
            stop.set()
            thread.join(10)
            self._link = None

    def stop_serving(self) -> None:
        if self._surface:
            self._surface.shutdown()
            self._surface.server_close()
            self._surface = None

    def close(self) -> None:
        self.stop_link()
        self.stop_serving()
        self.broker.stop()


class Unit:
    """One agent process below its own root, with a FIFO for its button and spools to write into."""

    def __init__(self, root: Path, name: str, fleet: Fleet, *, secret: str = SECRET) -> None:
        self.root, self.name, self.paths = root, UnitId(name), Paths(root)
        self.boot = os.urandom(16).hex()
        for directory in (
            "proc/bus/input",
            "proc/sys/kernel/random",
            "dev/input",
            "usr/lib",
            "run/credentials",
        ):
            (root / directory).mkdir(parents=True)
        self.paths.kernel_boot_id.write_text(self.boot)
        self.paths.kernel_uptime.write_text("12.34 5.0\n")
        self.paths.kernel_command_line.write_text("quiet systemd.verity_root_data=PARTLABEL=root-a\n")
        self.paths.os_release.write_text('IMAGE_ID=omamori\nIMAGE_VERSION="1.2.3"\n')
        (root / "proc/bus/input/devices").write_text(DEVICES)
        self.button = root / "dev/input/event1"
        os.mkfifo(self.button)
        claim = Claim(self.name, secret, f"https://localhost:{fleet.https_port}", fleet.authority.root_pem)
        (root / "run/credentials/omamori.claim").write_bytes(encode(claim))
        self.process: subprocess.Popen[bytes] | None = None
        self.writer = SpoolWriter(self.paths.spool("bridge"))

    def start(self) -> None:
        environment = {
            **os.environ,
            "OMAMORI_ROOT": str(self.root),
            "CREDENTIALS_DIRECTORY": str(self.root / "run/credentials"),
        }
        log = (self.root / "agent.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "dev", "-m", "omamori.firmware.agent"], env=environment, stderr=log
            )

    def press(self, code: int = 529) -> None:
        """Down and up, as the kernel says it."""
        event = struct.Struct("@llHHi")
        wait_until(
            lambda: self._write(event.pack(1, 2, 1, code, 1) + event.pack(1, 3, 1, code, 0)), what="a reader"
        )

    def _write(self, data: bytes) -> bool:
        with suppress(OSError):
            descriptor = os.open(self.button, os.O_WRONLY | os.O_NONBLOCK)
            try:
                return os.write(descriptor, data) == len(data)
            finally:
                os.close(descriptor)
        return False

    def say(self, *bodies: UpBody) -> None:
        for body in bodies:
            self.writer.put(body)
        self.writer.tick(force=True)

    def status(self) -> dict:
        with suppress(OSError):
            return json.loads(self.paths.agent_status.read_bytes())
        return {}

    def activate(self) -> None:
        self.start()
        wait_until(
            lambda: self.status().get("phase") == "waiting for the button", what="waiting for the button"
        )
        self.press()
        wait_until(lambda: self.status().get("connected"), what=f"connected: {self.log()}")

    def log(self) -> str:
        return (self.root / "agent.log").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        process, self.process = self.process, None
        if process is None:
            return None
        process.send_signal(number)
        return process.wait(15)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path / "fleet")
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.close()


@pytest.fixture
def unit(tmp_path: Path, fleet: Fleet) -> Iterator[Callable[..., Unit]]:
    with ExitStack() as units:

        def make(name: str = "om-0001", **options) -> Unit:
            made = Unit(tmp_path / name, name, fleet, **options)
            units.callback(made.stop, signal.SIGKILL)
            return made

        yield make


@pytest.fixture
def eventually() -> Callable[..., None]:
    return wait_until
