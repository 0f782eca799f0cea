"""A real fleet in a directory of its own, made and served by the commands an operator uses."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Identity:
    """A unit's key and request, and its certificate once it has one."""

    key: ec.EllipticCurvePrivateKey
    directory: Path
    certificate: str = ""

    @property
    def csr(self) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self.key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM).decode()

    def load_into(self, context: ssl.SSLContext) -> None:
        plain = serialization.NoEncryption()
        pem = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        path = self.directory / "identity.pem"
        path.write_bytes(pem + self.certificate.encode())
        context.load_cert_chain(path)


@dataclass
class Served:
    """A running fleet and its commands."""

    state: Path
    ports: dict[str, int]
    process: subprocess.Popen

    @property
    def database(self) -> Path:
        return self.state / "fleet" / "fleet.sqlite3"

    def command(self, *arguments, check=True):
        return run(self.state, *arguments, check=check)

    def register(self, unit):
        return json.loads(self.command("units", "register", unit).stdout)

    def request(self, method, path, body=None, *, identity=None, headers=None, context=None):
        if context is None:
            context = ssl.create_default_context(cafile=self.state / "fleet" / "ca" / "root.pem")
            if identity:
                identity.load_into(context)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.ports["units"], context=context, timeout=20
        )
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def activate(self, claim, identity):
        body = json.dumps({"unit": claim["unit"], "secret": claim["secret"], "csr": identity.csr})
        status, _, raw = self.request("POST", "/unit/v1/activate", body)
        if status == 200:
            identity.certificate = json.loads(raw)["certificate"]
        return status, json.loads(raw)


def run(state, *arguments, check=True):
    environment = {"OMAMORI_STATE": str(state), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "omamori.fleet", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(state, command, *more):
    ports = {name: free_port() for name in ("units", "portal", "mqtt")}
    binds = [f"--set={name}_bind=127.0.0.1:{port}" for name, port in ports.items()]
    run(state, "init", "--password", "correct horse battery", "--set=workers=1", *binds, *more)
    environment = {"OMAMORI_STATE": str(state), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [sys.executable, "-m", "omamori.fleet", command], env=environment, stdout=subprocess.PIPE
    )
    try:
        wanted = ports.values() if command == "serve" else [ports[command.removeprefix("serve-")]]
        for port in wanted:
            wait_for(port, process)
        yield Served(state, ports, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def wait_for(port, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing answers on {port}")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The unit surface, with a generous rate limit and a TUF repository of one file each."""
    state = tmp_path_factory.mktemp("state")
    for directory, name, content in (
        ("metadata", "1.root.json", b"{}"),
        ("targets", "firmware/a.bundle", bytes(range(256)) * 400),
    ):
        path = state / "tuf" / directory / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    (state / "tuf" / "keys").mkdir()
    (state / "tuf" / "keys" / "root.key").write_text("secret")
    (state / "tuf" / "targets" / "leak").symlink_to(state / "tuf" / "keys" / "root.key")
    with serving(state, "serve-units", "--set=activations_per_minute=1000") as running:
        yield running


@pytest.fixture
def limited(tmp_path):
    """The unit surface with three activation attempts a minute."""
    with serving(tmp_path, "serve-units", "--set=activations_per_minute=3") as running:
        yield running


@pytest.fixture
def everything(tmp_path):
    """Broker, unit surface, portal and link, as `serve` runs them."""
    with serving(tmp_path, "serve") as running:
        yield running


@pytest.fixture
def identity(tmp_path):
    """A unit's fresh key."""
    return Identity(ec.generate_private_key(ec.SECP256R1()), tmp_path)


@pytest.fixture
def new_identity(tmp_path_factory):
    """More keys."""
    return lambda: Identity(ec.generate_private_key(ec.SECP256R1()), tmp_path_factory.mktemp("identity"))
