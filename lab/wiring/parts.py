"""The real parts a topology is made of: DHCP and DNS servers, DHCP clients, web servers, certificates, a resolver file."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.namespaces import PYTHON, Namespace

FLEET_NAME: Final = "fleet.omamori.example"
WEB_ADDRESS: Final = "203.0.113.10"
FLEET_ADDRESS: Final = "203.0.113.20"
WEB6, FLEET6 = "2001:db8:f::10", "2001:db8:f::20"
FLEET_PORT: Final = 8443
_CLIENT_SCRIPT: Final = Path(__file__).parent.parent / "services/dhcp-client.sh"


@dataclass(frozen=True, slots=True)
class Certificates:
    """The fleet's, which the unit trusts, and one of somebody in between."""

    fleet: Path
    stranger: Path


def certificates(directory: Path) -> Certificates:
    """Two self-signed certificates with their keys, for the fleet's name."""
    return Certificates(*(_certificate(directory / f"{name}.pem") for name in ("fleet", "stranger")))


def _certificate(path: Path) -> Path:
    key = path.with_suffix(".key")
    words = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={FLEET_NAME}"
    names = ("-addext", f"subjectAltName=DNS:{FLEET_NAME}", "-keyout", key, "-out", path)
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True)
    path.write_bytes(key.read_bytes() + path.read_bytes())
    return path


def dnsmasq(
    stack: contextlib.ExitStack, inside: Namespace, directory: Path, *, port: str, settings: tuple[str, ...]
) -> None:
    """A server on one port of a namespace, with no configuration but this."""
    plain = ("--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--user=root")
    files = (f"--dhcp-leasefile={directory}/leases-{inside.name}", "--pid-file=")
    here = (f"--interface={port}", "--bind-dynamic", "--dhcp-authoritative", "--no-ping")
    log = directory / f"{inside.name}.log"
    stack.enter_context(inside.running("dnsmasq", *plain, *files, *here, *settings, log=log))


def lease(stack: contextlib.ExitStack, inside: Namespace, *, port: str = "eth0", name: str = "") -> None:
    """A DHCP client that keeps asking until it is answered, and renews."""
    words = ("udhcpc", "-f", "-i", port, "-s", str(_CLIENT_SCRIPT), "-t", "1000", "-T", "1", "-A", "1", "-S")
    hello = ("-x", f"hostname:{name}") if name else ()
    stack.enter_context(inside.running(*words, *hello))


def stub(stack: contextlib.ExitStack, inside: Namespace, *options: str | Path) -> None:
    """A web server of `lab.wiring.stub`."""
    stack.enter_context(inside.running(PYTHON, "-m", "lab.wiring.stub", *options))


def worker(stack: contextlib.ExitStack, inside: Namespace, mode: str, name: str = "") -> None:
    """A host's day."""
    stack.enter_context(inside.running(PYTHON, "-m", "lab.wiring.worker", mode, name))


@contextlib.contextmanager
def resolver(inside: Namespace, server: str) -> Iterator[None]:
    """Programs that start inside ask this name server (`ip netns exec` mounts the file over /etc/resolv.conf)."""
    settings = Path("/etc/netns") / inside.name
    settings.mkdir(parents=True, exist_ok=True)
    text = f"nameserver {server}\noptions timeout:1 attempts:2\n"
    (settings / "resolv.conf").write_text(text, encoding="ascii")
    try:
        yield
    finally:
        shutil.rmtree(settings, ignore_errors=True)
