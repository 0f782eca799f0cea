"""Changes tried for real: the page and the settings process in the unit's namespace, a fleet that answers, and addresses from which it does not.

`networkctl` is played by a script that reads the drop-in as networkd would and sets the address with `ip`.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.namespaces import address, guarded_line, wait_until
from omamori.firmware.host.files import write_atomic
from omamori.firmware.host.settings import USUAL, load, proxy_of
from omamori.firmware.settings.network import DROP_IN
from omamori.protocol.ids import UnitId
from omamori.protocol.label import label_code
from omamori.protocol.messages import Claim, encode
from tests.certificates import self_signed
from tests.firmware.page.browsing import FIXED, Visitor
from tests.firmware.page.conftest import served

pytestmark = [pytest.mark.root, pytest.mark.timeout(400)]
SECRET, LEASED, FLEET = "s3cret-of-the-factory", "192.168.77.2", "192.168.77.1"
CODE = label_code("om-0001", SECRET)
GOOD = {**FIXED, "address": "192.168.77.9", "gateway": FLEET, "code": CODE}
FAR = {**GOOD, "address": "10.9.9.9", "gateway": "10.9.9.1"}
NETWORKCTL = """#!/bin/sh
[ "$1" = reconfigure ] || exit 0
file="$PLAYED_ROOT/{drop_in}"
address={leased}/24
[ -e "$file" ] && address=$(sed -n 's/^Address=//p' "$file")
ip -4 address flush dev br0
ip address add "$address" dev br0
"""


class Play:
    """A line with the unit's page and settings process, its claim and its fleet."""

    def __init__(self, line, unit, folder: Path) -> None:
        self.line, self.unit, self.folder = line, unit, folder
        self.fleet_pem = folder / "fleet.pem"
        made = self_signed(FLEET)
        made.write(folder / "fleet.pem")
        claim = Claim(UnitId("om-0001"), SECRET, f"https://{FLEET}:8443", made.certificate)
        write_atomic(unit.paths.claim, encode(claim))
        ca = unit.paths.agent_state / "fleet-ca.pem"
        write_atomic(ca, made.certificate.encode())
        unit.write(unit.paths.fleet, {"url": claim.fleet, "ca": "/var/lib/omamori/agent/fleet-ca.pem"})
        write_atomic(unit.paths.kernel_uptime, b"1000.0 1.0\n")
        played = folder / "bin/networkctl"
        played.parent.mkdir()
        played.write_text(NETWORKCTL.format(drop_in=DROP_IN, leased=LEASED))
        played.chmod(0o755)

    @contextlib.contextmanager
    def fleet(self):
        command = (
            sys.executable,
            "-m",
            "lab.wiring.stub",
            "--bind",
            FLEET,
            "--port",
            "8443",
            "--certificate",
            self.fleet_pem,
        )
        with self.line.wan.running(*command):
            ask = ("ss", "-Hltn", "sport = :8443")
            wait_until(lambda: self.line.wan.run(*ask).stdout, seconds=30, what="the fleet")
            yield

    def command(self, what: str, *options: str) -> list[str]:
        path = f"{self.folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        settings = (
            sys.executable,
            "-m",
            "omamori.firmware.settings",
            what,
            "--root",
            self.unit.root,
            *options,
        )
        return self.line.unit.command("env", f"PATH={path}", f"PLAYED_ROOT={self.unit.root}", *settings)

    def apply(self, *, patience: float = 60) -> None:
        """As systemd does when the page has left an order: the trial, then `restore`."""
        options = ("--patience", str(patience), "--grace", "0")
        subprocess.run(self.command("apply", *options), check=True, timeout=120)
        subprocess.run(self.command("restore"), check=True, timeout=60)

    def outcome(self) -> dict:
        return json.loads(self.unit.paths.outcome.read_bytes())

    def addresses(self) -> list[str]:
        shown = self.line.unit.run("ip", "-4", "-o", "address", "show", "dev", "br0").stdout
        return [line.split()[3] for line in shown.splitlines()]


@pytest.fixture
def play(unit, tmp_path):
    unit.hosts()
    with guarded_line("oms") as line:
        address(line.unit, "br0", f"{LEASED}/24")
        yield Play(line, unit, tmp_path)


@pytest.fixture
def visitor(play):
    """On the unit itself: its own address changes under the page, which listens on all."""
    with served(play.unit) as base:
        made = Visitor(base)
        made.get()
        yield made


def test_an_address_that_reaches_the_fleet_is_kept_and_given_back_on_request(play, visitor):
    with play.fleet():
        visitor.send(GOOD)
        play.apply()
        assert play.outcome()["state"] == "kept"
        assert play.addresses() == ["192.168.77.9/24"]
        assert "new settings are in force" in visitor.get()
        assert visitor.value("address") == "192.168.77.9"
        visitor.send({**GOOD, "mode": "automatic"})
        play.apply()
        assert play.addresses() == [f"{LEASED}/24"]
        assert load(play.unit.paths.settings) == USUAL


def test_an_address_that_does_not_is_taken_back(play, visitor):
    with play.fleet():
        visitor.send(FAR)
        play.apply(patience=4)
    told = play.outcome()
    assert (told["state"], told["settings"]["mode"]) == ("taken back", "automatic")
    assert play.addresses() == [f"{LEASED}/24"]
    assert not play.unit.paths.settings.exists()
    assert "old ones are back in force" in visitor.get()


def test_a_fleet_with_another_certificate_is_none(play, visitor):
    (play.unit.paths.agent_state / "fleet-ca.pem").write_text(self_signed(FLEET).certificate)
    with play.fleet():
        visitor.send(GOOD)
        play.apply(patience=3)
    assert play.outcome()["state"] == "taken back"


def test_while_it_is_tried_the_page_says_so_and_an_end_in_the_middle_gives_the_old_back(play, visitor):
    visitor.send(FAR)
    with subprocess.Popen(play.command("apply", "--grace", "0")) as running:
        wait_until(lambda: play.addresses() == ["10.9.9.9/24"], seconds=60, what="the new address")
        assert "are being tried" in visitor.get()
        assert not visitor.document.count("<form")
        running.kill()
    subprocess.run(play.command("restore"), check=True, timeout=60)
    assert play.addresses() == [f"{LEASED}/24"]
    assert play.outcome()["state"] == "taken back"


def test_a_start_begins_with_what_was_kept(play, visitor):
    with play.fleet():
        visitor.send(GOOD)
        play.apply()
    shutil.rmtree(play.unit.root / "run/systemd")
    play.line.unit.run("ip", "-4", "address", "flush", "dev", "br0")
    subprocess.run(play.command("restore"), check=True, timeout=60)
    assert play.addresses() == ["192.168.77.9/24"]


def test_five_wrong_codes_close_the_gate_even_for_the_right_one(play, visitor):
    for expected in (*["wrong code"] * 4, "closed"):
        visitor.get()
        visitor.send({**GOOD, "code": "0000-0000"})
        play.apply(patience=3)
        assert play.outcome()["state"] == expected
    visitor.get()
    visitor.send(GOOD)
    play.apply(patience=3)
    assert play.outcome()["state"] == "closed"
    assert play.addresses() == [f"{LEASED}/24"]
    assert "Too many wrong codes" in visitor.get()
    write_atomic(play.unit.paths.kernel_uptime, b"1901.0 1.0\n")
    with play.fleet():
        visitor.send(GOOD)
        play.apply()
    assert play.outcome()["state"] == "kept"


def test_without_a_claim_nothing_can_be_changed(play, visitor):
    play.unit.paths.claim.unlink()
    visitor.send(GOOD)
    play.apply(patience=3)
    assert play.outcome()["state"] == "refused"
    assert play.addresses() == [f"{LEASED}/24"]


PROXY = """
import socket, sys, threading
def pump(one, other):
    while part := one.recv(65536):
        other.sendall(part)
    other.shutdown(1)
def serve(client):
    head = b""
    while b"\\r\\n\\r\\n" not in head:
        head += client.recv(1)
    host, port = head.split()[1].decode().rsplit(":", 1)
    print(head.split(b"\\r\\n")[0].decode(), flush=True)
    if sys.argv[1] == "refuse":
        client.sendall(b"HTTP/1.1 403 No\\r\\n\\r\\n"); client.close(); return
    server = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\\r\\nX-Any: thing\\r\\n\\r\\n")
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)
with socket.create_server(("192.168.77.1", 3128)) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.mark.parametrize(("mood", "state"), [("agree", "kept"), ("refuse", "taken back")])
def test_a_proxy_is_tried_too(play, visitor, mood, state, tmp_path):
    log = tmp_path / "proxy.log"
    with play.fleet(), play.line.wan.running(sys.executable, "-c", PROXY, mood, log=log):
        ask = ("ss", "-Hltn", "sport = :3128")
        wait_until(lambda: play.line.wan.run(*ask).stdout, seconds=30, what="the proxy")
        visitor.send({"mode": "automatic", "proxy": f"{FLEET}:3128", "code": CODE})
        play.apply(patience=60 if mood == "agree" else 3)
    assert play.outcome()["state"] == state
    assert f"CONNECT {FLEET}:8443 HTTP/1.1" in log.read_text()
    assert str(proxy_of(play.unit.paths.settings)) == (f"{FLEET}:3128" if mood == "agree" else "None")


@pytest.mark.parametrize("odd", ["link", "pipe", "folderless", "large", "list", "numbers", "deep"])
def test_what_the_page_leaves_is_not_trusted(play, odd):
    order = play.unit.paths.order
    order.parent.mkdir(parents=True, exist_ok=True)
    match odd:
        case "link":
            order.symlink_to("/etc/passwd")
        case "pipe":
            subprocess.run(["mkfifo", order], check=True)
        case "large":
            order.write_bytes(b" " * 100_000)
        case "list":
            order.write_text("[]")
        case "numbers":
            order.write_text('{"id": 1, "code": 2, "settings": {"mode": 3}}')
        case "deep":
            order.write_text("[" * 8000)
    play.apply(patience=3)
    assert not order.is_symlink()
    assert not order.exists()
    assert not play.unit.paths.outcome.exists()
    assert Path("/etc/passwd").exists()
