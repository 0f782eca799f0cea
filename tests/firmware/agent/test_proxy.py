"""By way of a proxy: the agent's calls and its session, through a real one to a real TLS server."""

import contextlib
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from omamori.firmware.agent import https
from omamori.firmware.agent.errors import FleetUnreachable
from omamori.firmware.agent.session import Peer, Session
from omamori.firmware.host import settings, tunnel
from omamori.firmware.host.settings import Proxy, Settings
from omamori.firmware.host.way import proxy_set
from omamori.protocol.ids import BootId, UnitId


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def listening(serve):
    """Each connection in a thread of its own; the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    one = listener.accept()[0]
                    threading.Thread(target=serve, args=(one,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def pump(one, other):
    with contextlib.suppress(OSError):
        while part := one.recv(65536):
            other.sendall(part)
        other.shutdown(socket.SHUT_WR)


class Played:
    """A proxy that writes down what it was asked for."""

    def __init__(self, answer=b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"):
        self.asked, self.answer = [], answer

    def __call__(self, client):
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head.split(b"\r\n")[0].decode())
            client.sendall(self.answer)
            if b" 200 " in self.answer:
                host, port = head.split()[1].decode().rsplit(":", 1)
                with socket.create_connection((host, int(port))) as server:
                    threading.Thread(target=pump, args=(server, client), daemon=True).start()
                    pump(client, server)


@pytest.fixture
def trusted(tmp_path):
    key, made = tmp_path / "key.pem", tmp_path / "ca.pem"
    about = ("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    subprocess.run(["openssl", *new, *about, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


@pytest.fixture
def fleet(trusted):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*trusted)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def test_calls_and_the_session_go_through_it(trusted, fleet):
    context, played = ssl.create_default_context(cafile=trusted[0]), Played()
    with listening(played) as port:
        proxy = Proxy("127.0.0.1", port)
        answer = https.want(f"https://localhost:{fleet}", context, proxy=proxy)
        assert (answer.status, answer.body) == (200, b"hello")
        boot = BootId("00000000-0000-4000-8000-000000000000")
        peer = Peer("localhost", fleet, UnitId("om-0001"), boot, proxy)
        session = Session(peer, context, version=MQTTProtocolVersion.MQTTv5)
        session.connect()
        session.leave()
    assert {line.split()[1] for line in played.asked} == {f"localhost:{fleet}"}
    assert len(played.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Sign in\r\n\r\n",
        b"220 mail.example ESMTP\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 " + b"x" * 9000 + b"\r\n\r\n",
    ],
)
def test_a_proxy_that_does_not_agree_is_an_error(fleet, answer):
    with listening(Played(answer)) as port, pytest.raises(OSError, match="proxy"):
        tunnel.connect("localhost", fleet, proxy=Proxy("127.0.0.1", port), timeout=20)


def test_a_proxy_that_refuses_leaves_the_fleet_unreachable(trusted, fleet):
    context = ssl.create_default_context(cafile=trusted[0])
    with listening(Played(b"HTTP/1.1 403 No\r\n\r\n")) as port, pytest.raises(FleetUnreachable):
        https.want(f"https://localhost:{fleet}", context, proxy=Proxy("127.0.0.1", port))


def test_the_way_is_direct_where_nothing_was_set_or_nothing_can_be_read(tmp_path):
    file = tmp_path / "settings.json"
    assert proxy_set(file) is None
    settings.store(file, Settings(proxy=Proxy("proxy.example.jp", 8080)))
    assert str(proxy_set(file)) == "proxy.example.jp:8080"
    for broken in (b"{", b"[]", b'{"proxy": "::"}', b"[" * 8000):
        file.write_bytes(broken)
        assert proxy_set(file) is None
