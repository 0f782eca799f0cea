"""A unit's helper door in a room of its own: a mount namespace with one more user, a relay with real TLS, a helper's key.

The process under test runs as that user, without a right, as on the unit; the machine's own users are not touched.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from omamori.firmware.host import grant
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.spool import SpoolReader
from omamori.firmware.update.support import _host_key
from omamori.protocol.ids import boot_id, unit_id
from omamori.protocol.messages import SupportCall, Want, encode
from tests.firmware.support.relays import Fleet

PYTHON = "/usr/bin/python3"
"""The checkout and its environment may lie where that user cannot go."""
PARTS = ("__init__.py", "firmware/__init__.py", "firmware/host", "firmware/support", "protocol")
USER, UID = "omamori-support", 61234
BOOT = boot_id("0" * 32)
UNIT = unit_id("om-0001")


@dataclass
class Room:
    """The unit's files, and what a helper has at hand."""

    place: Path
    fleet: Fleet
    processes: list[subprocess.Popen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = Paths(self.place / "unit")
        self.key = self.place / "helper"
        self.host_key, self.public = _host_key()
        self.began = datetime.now(UTC).replace(microsecond=0)
        self.place.chmod(0o755)
        self._install()
        self._write("proc/sys/kernel/random/boot_id", BOOT.encode())
        for spool in (self.paths.spool("support"), self.paths.support_grant.parent):
            spool.mkdir(parents=True)
            os.chown(spool, UID, 0)
        etc = self.place / "etc"
        etc.mkdir()
        users = Path("/etc/passwd").read_text() + f"{USER}:x:{UID}:{UID}::/:/bin/sh\n"
        (etc / "passwd").write_text(users)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.key], check=True)

    def _install(self) -> None:
        """Our code, where the unit's user can read it."""
        source, code = Path(__file__).parents[3] / "omamori", self.place / "code/omamori"
        for part in PARTS:
            (code / part).parent.mkdir(parents=True, exist_ok=True)
            if (source / part).is_dir():
                shutil.copytree(source / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source / part, code / part)
        subprocess.run(["chmod", "-R", "a+rX", self.place / "code"], check=True)

    def _write(self, name: str, content: bytes) -> None:
        path = self.paths.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def ask(self, call: str | None = "c0ffee") -> None:
        asked = SupportCall(call, "127.0.0.1", self.fleet.port, self.fleet.ticket) if call else None
        self._write("var/lib/omamori/agent/want.json", encode(Want(1, support=asked)))

    def grant(self, *, seconds: float = 3600, until: timedelta = timedelta(hours=1), key: Path | None = None):
        """What the judge of keys would leave."""
        now = self.began  # the same grant twice is the same document
        public = (key or self.key).with_suffix(".pub").read_text().split()
        made = grant.Grant(
            call="c0ffee",
            unit=UNIT,
            boot=BOOT,
            key=" ".join(public[:2]),
            since=now - timedelta(hours=2),
            until=now + until,
            who="佐藤",
            why="遅い",
            host_key=self.host_key,
            host="127.0.0.1",
            port=self.fleet.port,
            ticket=self.fleet.ticket,
            ca=self.fleet.ca,
            deadline=grant.since_boot() + seconds,
            confirmed=grant.since_boot(),
        )
        grant.write(self.paths.support_grant, made)
        os.chown(self.paths.support_grant, UID, UID)

    def start(self, *options: str) -> subprocess.Popen:
        """`python -m omamori.firmware.support` as the unit's user, in a mount namespace that knows it."""
        folder = (
            self.place / "door"
        )  # at /mnt in there: the server trusts no file below a folder all may write
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, UID, UID)
        inner = (
            f"mount --bind {self.place}/etc/passwd /etc/passwd && mount --bind {folder} /mnt && exec setpriv --reuid {UID} --regid {UID}"
            f" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all {PYTHON}"
            f" -m omamori.firmware.support --root {self.paths.root} --folder /mnt {' '.join(options)}"
        )
        log = (self.place / "log").open("ab")
        with log:
            process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", inner],
                stdout=log,
                stderr=log,
                cwd=self.place / "code",
            )
        self.processes.append(process)
        return process

    def ssh(self, *words: str, key: Path | None = None, user: str = USER) -> list[str]:
        known = self.place / "known_hosts"
        known.write_text(f"unit {self.public}\n")
        options = {
            "ProxyCommand": self.fleet.pipe,
            "UserKnownHostsFile": str(known),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": "unit",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
        }
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return [
            "ssh",
            "-F",
            "none",
            *given,
            "-i",
            str(key or self.key),
            *words[:-1],
            f"{user}@unit",
            words[-1],
        ]

    def run(self, *words: str, key: Path | None = None, user: str = USER) -> subprocess.CompletedProcess:
        command = self.ssh(*words, key=key, user=user)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def waits(self, count: int = 1) -> None:
        """Until so many lanes of the unit are at the relay."""
        until(lambda: self.fleet.waiting() >= count, self.log)

    def log(self) -> str:
        return (self.place / "log").read_text()

    @property
    def said(self) -> list[str]:
        segments = SpoolReader(self.paths.spool("support")).segments()
        return [body.phase.value for each in segments for body in each.bodies]


def until(true: Callable[[], bool], explain: Callable[[], str] = str, *, patience: float = 60.0) -> None:
    """Wait for a condition, generously."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


@contextlib.contextmanager
def room_of(place: Path, fleet: Fleet) -> Iterator[Room]:
    """One whose processes end with it."""
    made = Room(place, fleet)
    try:
        yield made
    finally:
        for process in made.processes:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            if process.poll() is None:
                process.kill()
                process.wait()
