"""One booted unit for all tests that only look, and a fresh one for each that updates or breaks it.

The image is built (or reused) in the engineer's state directory; signing keys and everything else live in a temporary one.
The unit stands between two namespaces with an address server on the router's side.
"""

import contextlib
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import testinfra

from lab.guest import Boot, Guest, Machine, Plug
from lab.namespaces import Namespace, namespace
from omamori.image.build import Image
from omamori.image.state import State
from omamori.protocol.version import Version

OMAMORI = Path(sys.executable).with_name("omamori")
ROUTER, HOST = "192.168.55.1", "192.168.55.2"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for mark in (pytest.mark.vm, pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)):
                item.add_marker(mark)


@dataclass(frozen=True)
class Site:
    """A unit with its two sides."""

    guest: Guest
    wan: Namespace
    lan: Namespace


@dataclass(frozen=True)
class Factory:
    """Builds, signs and publishes with keys of this test session only."""

    place: Path
    pack: Path

    def sign(self, *words):
        return omamori("sign", "--dir", self.place / "tuf", *words)

    def image(self, version, *flags):
        trust = self.place / "tuf/metadata/root.json"
        omamori("image", "build", "--version", version, "--trust", trust, "--pack", self.pack, *flags)
        broken = flags[1] if flags else None
        return Image.open(State.of().image("test", Version.parse(version), broken=broken))

    def publish(self, *images):
        """Returns a directory to serve: `/tuf/metadata`, `/tuf/targets`."""
        for image in images:
            self.sign("add-firmware", image.bundle, "--replace")
        self.sign("publish", "--to", self.place / "www/tuf")
        return self.place / "www"


def omamori(*words):
    done = subprocess.run([OMAMORI, *words], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="session")
def factory(tmp_path_factory):
    place = tmp_path_factory.mktemp("factory")
    (place / "rules").write_text(
        'alert tcp any any -> any any (msg:"appliance test"; content:"omamori-appliance-test"; sid:9000001; rev:1;)\n'
    )
    pack = place / "factory.pack"
    omamori("engine", "pack", "build", "--version", "1.0.0", "--rules", place / "rules", "-o", pack)
    built = Factory(place, pack)
    built.sign("init")
    return built


@pytest.fixture(scope="session")
def image(factory):
    return factory.image("7.0.0")


@contextlib.contextmanager
def unit_between(image, scratch, boot=Boot.FIRMWARE, keys=None):
    """A running unit with a router that gives out addresses, and a host behind it; `keys`: Secure Boot's."""
    name = f"app-{os.getpid()}-{uuid.uuid4().hex[:5]}"
    with namespace(f"{name}-wan") as wan, namespace(f"{name}-lan") as lan:
        ports = {"wan0": Plug(wan, "eth0"), "lan0": Plug(lan, "eth0")}
        credentials = {"omamori.claim": '{"note": "a claim that is none"}'}
        machine = Machine(boot=boot, ports=ports, credentials=credentials, secure_boot=keys)
        with Guest(image, scratch, machine) as guest:
            wan.run("ip", "address", "add", f"{ROUTER}/24", "dev", "eth0")
            lan.run("ip", "address", "add", f"{HOST}/24", "dev", "eth0")
            leases = scratch / "leases"
            with wan.running(
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--interface=eth0",
                "--bind-interfaces", "--dhcp-range=192.168.55.100,192.168.55.150", f"--dhcp-leasefile={leases}",
            ):  # fmt: skip
                guest.wait_for_ssh(seconds=240)
                yield Site(guest, wan, lan)


@pytest.fixture(scope="session")
def site(image, tmp_path_factory):
    keys = State.of().secure_boot
    with unit_between(image, tmp_path_factory.mktemp("guest"), keys=keys) as site:
        guest = site.guest
        guest.wait(
            lambda: "No jobs" in guest.ssh("systemctl list-jobs --no-pager", check=False),
            seconds=120,
            what="the start to be over",
            pause=2,
        )
        yield site


@pytest.fixture(scope="session")
def host(site, tmp_path_factory):
    """The unit as testinfra sees it."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    words = site.guest.ssh_options()
    settings = [option.replace("=", " ", 1) for option in words if option != "-o"]
    config.write_text(
        "\n".join(["Host *", "  User root", f"  Port {site.guest.ssh_port}", *(f"  {s}" for s in settings)])
    )
    return testinfra.get_host("ssh://127.0.0.1", ssh_config=str(config))


@pytest.fixture(scope="session")
def start_unit():
    """`unit_between`, for a unit of one's own."""
    return unit_between
