"""A unit's page served by the real process, over files that the tests write."""

import contextlib
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.namespaces import end, wait_until
from omamori.firmware.host.files import write_atomic
from omamori.firmware.host.paths import Paths
from omamori.protocol.ids import Mac
from omamori.protocol.messages import Finding, Host, HostAddress, Hosts, Wiring
from omamori.protocol.vocabulary import Side, WiringCode
from omamori.protocol.wire import to_wire

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
EVIDENCE = {
    WiringCode.NO_ADDRESS: (
        "the unit has had no address for 2 min",
        "no DHCP server has answered",
        "3 addresses in 192.168.10.0/24 were overheard",
        "proposed: 192.168.10.250/24, gateway 192.168.10.1",
    ),
    WiringCode.SLOW_LINK: ("lan0: 100 Mbit/s",),
}


class Unit:
    """The files that a unit's other processes write."""

    def __init__(self, root: Path) -> None:
        self.root, self.paths = root, Paths(root)

    def wired(self, *codes: WiringCode) -> None:
        facts = {code: EVIDENCE.get(code, ("wan0 hears the router 00:1b:8b:00:00:01",)) for code in codes}
        findings = tuple(Finding(code, 0.9, NOW, facts[code]) for code in codes)
        self.write(self.paths.wiring, to_wire(Wiring(NOW, findings)))

    def hosts(self, *hosts: Host) -> None:
        self.write(self.paths.hosts, to_wire(Hosts(NOW, hosts)))

    def agent(self, **told) -> None:
        status = {"unit": "om-0001", "phase": "active", "activated": True, "connected": True, "problem": ""}
        self.write(self.paths.agent_status, {**status, **told})

    def write(self, path: Path, body: object) -> None:
        write_atomic(path, json.dumps(body, ensure_ascii=False).encode())


def host(number: int, *, side: Side = Side.BEHIND, name: str = "", address: str = "", kind: str = "") -> Host:
    held = address or f"192.168.10.{number}"
    seen = NOW - timedelta(minutes=1)
    mac = Mac(f"00:1b:8b:00:00:{number:02x}")
    return Host(
        mac, side, seen, seen, (HostAddress(held, seen, seen),), name, kind=kind, vendor="NEC Corporation"
    )


@pytest.fixture
def unit(tmp_path):
    made = Unit(tmp_path / "unit")
    made.agent()
    made.wired(WiringCode.OK)
    made.hosts(host(10, name="keiri-pc", kind="pc"), host(11, name="複合機", kind="printer"))
    return made


@contextlib.contextmanager
def served(unit: Unit, *options: str, inside=None, where: str = "127.0.0.1", port: int = 0):
    """The base URL; the process is ended afterwards. Port 0 takes a free one."""
    port = port or _free()
    log = unit.root.parent / f"page-{uuid.uuid4().hex[:6]}.log"
    command = [sys.executable, "-m", "omamori.firmware.page", "--root", unit.root]
    command = [*map(str, command), "--listen", f"{where}:{port}", *options]
    with log.open("wb") as out:
        running = subprocess.Popen(inside.command(*command) if inside else command, stdout=out, stderr=out)
    try:
        ask = ["ss", "-Hltn", f"sport = :{port}"]
        ask = inside.command(*ask) if inside else ask
        wait_until(
            lambda: subprocess.run(ask, check=True, capture_output=True).stdout or running.poll() is not None,
            seconds=30,
            what="the page to listen",
        )
        assert running.poll() is None, log.read_text()
        yield f"http://{where}:{port}"
    finally:
        end(running)


def _free() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def page(unit):
    with served(unit) as base:
        yield base
