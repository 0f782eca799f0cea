"""Behind a proxy: tries to reach the fleet go by it, and a unit that gets out by it is not told that there is no internet."""

import json
import socket
import sys
import threading
from contextlib import contextmanager, suppress

import pytest

from lab.namespaces import wait_until
from omamori.firmware.host import settings
from omamori.firmware.host.settings import Proxy, Settings
from omamori.firmware.lan.observations import FleetAnswer
from omamori.firmware.lan.outreach import Fleet, attempt_by
from tests.certificates import self_signed
from tests.firmware.lan.panel import GATEWAY, site
from tests.firmware.lan.test_outreach import certificate, server

FLEET = "10.99.0.1"
"""Only the proxy has a way there."""

SPOOL = "var/lib/omamori/spool/lan"
PROXY = """
import socket, sys, threading
def pump(one, other):
    try:
        while part := one.recv(65536):
            other.sendall(part)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(client):
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += client.recv(1)
    method, place, _ = head.split(b"\\r\\n")[0].decode().split()
    with open(sys.argv[1], "a") as log:
        print(method, place, file=log)
    host, port = place.rsplit(":", 1)
    with client, socket.create_connection((host, int(port)), timeout=20) as there:
        client.sendall(b"HTTP/1.1 200 Connection established\\r\\n\\r\\n")
        threading.Thread(target=pump, args=(there, client), daemon=True).start()
        pump(client, there)
listening = socket.create_server(("", 8080))
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""


@pytest.mark.root
def test_a_unit_behind_a_proxy_is_told_of_no_internet_only_until_the_proxy_is_set(tmp_path):
    pem, asked = self_signed(FLEET).write(tmp_path / "fleet.pem"), tmp_path / "asked"
    stub = (sys.executable, "-m", "lab.wiring.stub", "--bind", FLEET, "--port", "8443", "--certificate", pem)
    with site(tmp_path) as net:
        net.router.run("ip", "address", "add", f"{FLEET}/32", "dev", "lo")
        known = net.state / "var/lib/omamori/agent/fleet.json"
        known.parent.mkdir(parents=True)
        known.write_text(json.dumps({"url": f"https://{FLEET}:8443", "ca": str(pem)}))
        with net.router.running(*stub), net.router.running(sys.executable, "-c", PROXY, asked):
            with net.lan_process():
                wait_until(lambda: "NO_INTERNET" in net.codes(), seconds=90, what="NO_INTERNET")
                settings.store(
                    net.state / "var/lib/omamori/settings/settings.json",
                    Settings(proxy=Proxy(GATEWAY, 8080)),
                )
                beyond = {"NO_INTERNET", "CAPTIVE_OR_PROXY", "FLEET_UNREACHABLE"}
                wait_until(lambda: not beyond & set(net.codes()), seconds=120, what="the findings to clear")
                wait_until(asked.exists, seconds=60, what="a try by way of the proxy")
            assert asked.read_text().startswith(f"CONNECT {FLEET}:8443\n")
            assert told(net) - {"OK"} == {"NO_INTERNET"}, (
                "never that somebody is in between, not for a moment"
            )


def told(net):
    """Every code that was ever sent on its way to the fleet."""
    lines = [line for path in sorted((net.state / SPOOL).iterdir()) for line in path.read_text().splitlines()]
    sent = [message["body"] for message in map(json.loads, lines) if message["kind"] == "wiring"]
    return {finding["code"] for body in sent for finding in body["findings"]}


@contextmanager
def answering(words):
    """A proxy that says this and hangs up; gives its address."""

    def serve():
        with suppress(OSError):
            while True:
                with listener.accept()[0] as client:
                    client.recv(4096)
                    client.sendall(words)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield Proxy("127.0.0.1", listener.getsockname()[1])
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (b"HTTP/1.1 407 Sign in\r\n\r\n", FleetAnswer.INTERCEPTED),
        (b"HTTP/1.1 403 No\r\n\r\n", FleetAnswer.INTERCEPTED),
        (b"220 mail.example ESMTP\r\n\r\n", FleetAnswer.INTERCEPTED),
        (b"HTTP/1.1 502 Bad gateway\r\n\r\n", FleetAnswer.SILENT),
        (b"HTTP/1.1 200", FleetAnswer.SILENT),
        (b"", FleetAnswer.SILENT),
        (b"HTTP/1.1 200 OK\r\n\r\nno TLS here at all", FleetAnswer.INTERCEPTED),
    ],
)
def test_what_a_proxy_says_counts(tmp_path, words, answer):
    pem = certificate(tmp_path / "fleet.pem")
    with answering(words) as proxy:
        tried = attempt_by(proxy, Fleet("fleet.example", 8443, pem))
    assert (tried.answer, str(proxy) in tried.detail) == (answer, True)


def test_a_proxy_that_is_not_there_is_a_matter_of_the_settings(tmp_path):
    pem = certificate(tmp_path / "fleet.pem")
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = Proxy("127.0.0.1", free.getsockname()[1])
    tried = attempt_by(gone, Fleet("fleet.example", 8443, pem))
    assert (tried.answer, "settings" in tried.detail) == (FleetAnswer.INTERCEPTED, True)
    assert attempt_by(gone, Fleet("fleet.example", 1, tmp_path / "none")).answer is FleetAnswer.UNKNOWN


def test_another_certificate_behind_the_proxy_is_somebody_in_between(tmp_path):
    ours, theirs = certificate(tmp_path / "ours.pem"), certificate(tmp_path / "theirs.pem")

    def lead(listener, port):
        with listener.accept()[0] as client, socket.create_connection(("127.0.0.1", port)) as there:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            there.sendall(client.recv(65536))
            client.sendall(there.recv(65536))
            client.recv(4096)

    with server(theirs) as port, socket.create_server(("127.0.0.1", 0)) as listener:
        leading = threading.Thread(target=lead, args=(listener, port), daemon=True)
        leading.start()
        proxy = Proxy("127.0.0.1", listener.getsockname()[1])
        tried = attempt_by(proxy, Fleet("localhost", port, ours))
        leading.join(30)
    assert tried.answer is FleetAnswer.INTERCEPTED
    assert "not the fleet's" in tried.detail
