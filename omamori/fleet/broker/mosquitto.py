"""The embedded broker: Mosquitto 2, configured by us and run as a child process.

Identity comes from certificates alone (`use_identity_as_username`), and the client id is the user name, so no unit
can act as another one or push another one off the broker. Whoever runs this owns the files; it runs as that user.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Final, Self

from omamori.fleet.broker.authority import LINK, Pair
from omamori.fleet.broker.errors import BrokerError
from omamori.protocol.topics import ROOT
from omamori.protocol.wire import MESSAGE_CAP

PACKET_CAP: Final = 256 * 1024
"""Bytes of one MQTT packet; who sends more is disconnected before it is read."""
_PROGRAMS = ("mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What the embedded broker needs to know."""

    directory: Path
    """Its own: configuration, ACL and persistent sessions."""
    trust: Path
    """PEM of the fleet's root: who may connect."""
    server: Pair
    address: str = "0.0.0.0"  # noqa: S104 - units connect from anywhere; TLS client certificates are required
    port: int = 8883
    queued: int = 2_000
    """Messages kept for one client that is away (the link worker, mostly); units keep their own outbox."""
    revoked: Path | None = None
    """PEM of certificates of this root that nobody gets in with; read when it starts: whoever holds a session of TLS would not be asked again."""


def configuration(settings: BrokerSettings) -> str:
    """`mosquitto.conf`."""
    lines: list[tuple[str, object]] = [
        ("listener", f"{settings.port} {settings.address}"),
        ("cafile", settings.trust),
        *([("crlfile", settings.revoked)] if settings.revoked else []),
        ("certfile", settings.server.certificate),
        ("keyfile", settings.server.key),
        ("tls_version", "tlsv1.2"),
        ("require_certificate", "true"),
        ("use_identity_as_username", "true"),
        ("use_username_as_clientid", "true"),
        ("allow_anonymous", "false"),
        ("acl_file", settings.directory / "acl"),
        ("persistence", "true"),
        ("persistence_location", f"{settings.directory}/"),
        ("autosave_interval", "60"),
        ("persistent_client_expiration", "14d"),
        ("max_packet_size", PACKET_CAP),
        ("message_size_limit", MESSAGE_CAP),
        ("max_inflight_messages", "200"),
        ("max_queued_messages", settings.queued),
        ("max_queued_bytes", settings.queued * MESSAGE_CAP // 16),
        ("retain_available", "false"),
        ("user", pwd.getpwuid(os.geteuid()).pw_name),
        ("log_dest", "stderr"),
        ("log_type", "error"),
        ("log_type", "warning"),
        ("log_type", "notice"),
        ("connection_messages", "true"),
    ]
    return "".join(f"{key} {value}\n" for key, value in lines)


def access() -> str:
    """The ACL: the link worker reads all and writes commands; a unit (`%u`) has its own topics only."""
    return (
        f"user {LINK}\ntopic read {ROOT}/+/+/up/+\ntopic write {ROOT}/+/+/down/+\n\n"
        f"pattern write {ROOT}/+/%u/up/+\npattern read {ROOT}/+/%u/down/+\n"
    )


class Broker:
    """The child process. A context manager; `start` returns when the port answers."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[str] | None = None
        self._words: deque[str] = deque(maxlen=20)

    def start(self, *, patience: float = 10.0) -> None:
        """Raises BrokerError with the broker's last words."""
        if _answers(self._settings.address, self._settings.port):
            raise BrokerError(f"something else listens on {self._settings.address}:{self._settings.port}")
        _write(self._settings)
        command = [*_program(), "-c", str(self._settings.directory / "mosquitto.conf")]
        self._child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
        Thread(target=self._listen, args=(self._child,), daemon=True).start()
        deadline = time.monotonic() + patience
        while not _answers(self._settings.address, self._settings.port):
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise BrokerError(f"the broker did not start: {self.last_words() or 'it said nothing'}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends the child; persistent sessions are saved. Harmless when nothing runs."""
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def wait(self) -> int:
        """Until the child ends by itself; its exit code."""
        if self._child is None:
            raise BrokerError("the broker was not started")
        return self._child.wait()

    @property
    def pid(self) -> int | None:
        """The child's, while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def last_words(self) -> str:
        """The end of the broker's log."""
        return "\n".join(self._words)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listen(self, child: subprocess.Popen[str]) -> None:
        assert child.stderr  # noqa: S101 - we asked for a pipe
        with child.stderr, contextlib.suppress(ValueError):
            for line in child.stderr:
                self._words.append(line.rstrip())


def _write(settings: BrokerSettings) -> None:
    settings.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (settings.directory / "mosquitto.conf").write_text(configuration(settings))
    acl = settings.directory / "acl"
    acl.write_text(access())
    acl.chmod(0o600)


def _program() -> list[str]:
    """With util-linux's setpriv in front, the kernel ends the broker with us, even where we are killed."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if not found:
        raise BrokerError("mosquitto is not installed (Debian package: mosquitto)")
    return ["setpriv", "--pdeathsig", "TERM", found] if shutil.which("setpriv") else [found]


def _answers(address: str, port: int) -> bool:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - the wildcard is not dialled
    try:
        with socket.create_connection((target, port), timeout=1):
            return True
    except OSError:
        return False
