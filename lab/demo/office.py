"""A small company on one machine: the Internet with its router, an office hub with three hosts, and the unit's cables.

    internet --- router's LAN port (`home`) --- [wan0 unit lan0] --- hub --- keiri-pc, eigyo-pc, nas

Each box is a network namespace. The unit's two cables are taps that can be plugged anywhere, which is how a customer
gets it wrong. Names end in `.example`, addresses are those reserved for documentation (RFC 2606, 5737).
"""

import contextlib
import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import FORBIDDEN
from pathlib import Path

from lab.namespaces import PYTHON, Namespace, address, bridge, cable, end, namespace, wait_until
from lab.services import mail
from lab.services.web import big, digest, infected

WEB, FLEET, ATTACKER = "203.0.113.10", "203.0.113.20", "198.51.100.7"
ROUTER = "192.168.10.1"
FLEET_NAME = "fleet.omamori.example"
HOSTS = ("keiri-pc", "eigyo-pc", "nas")
HOME, HUB = "home", "hub"
_SAID_NO = {6: "no such name", 35: "reset in the TLS hello", 52: "closed", 56: "reset"}
"""Exit codes of curl(1)."""
ORDINARY_MAIL = mail.message("Minutes", "Dear all,\n.\nthe minutes are attached.\n", bytes(range(256)) * 200)
INFECTED_MAIL = mail.message("Invoice", "Please see the attached invoice.\n", infected(), name="invoice.txt")
_SCRIPT = Path(__file__).parent.parent / "services/dhcp-client.sh"


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a download of the office ended."""

    exit_code: int
    status: int
    body: bytes

    @property
    def arrived(self) -> bool:
        """The unit's own page in place of a blocked one counts as nothing."""
        return self.exit_code == 0 and not self.refused

    @property
    def refused(self) -> bool:
        return self.status == FORBIDDEN and b"Omamori" in self.body

    @property
    def stopped(self) -> bool:
        """The unit said no at once. Silence may be anything, and proves nothing."""
        return self.refused or self.exit_code in _SAID_NO

    @property
    def outcome(self) -> str:
        """For the evidence."""
        if self.refused:
            return "the unit's page"
        return _SAID_NO.get(self.exit_code, f"curl exit {self.exit_code}, status {self.status}")


@dataclass(frozen=True, slots=True)
class Paced:
    """A download at a steady rate, and the file it fills."""

    process: subprocess.Popen[bytes]
    arrived: Path

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.arrived.stat().st_size if self.arrived.exists() else 0

    def stop(self) -> bool:
        """End it; whether it still ran, and every byte that came is right."""
        ran = self.process.poll() is None
        end(self.process)
        content = self.arrived.read_bytes()
        return ran and content == b"".join(big(len(content)))


@dataclass(slots=True)
class Office:
    """The namespaces, and what people in them do."""

    internet: Namespace
    hub: Namespace
    hosts: dict[str, Namespace]
    taps: tuple[str, str]
    """The unit's cables: router side, hub side."""
    directory: Path
    plugged: dict[str, Namespace]
    """Where each cable's end is now."""

    def curl(self, host: str, *words: str, seconds: float = 8) -> Fetched:
        """What curl got, from a host of the office or from `internet`."""
        where = self.internet if host == "internet" else self.hosts[host]
        command = where.command("curl", "-s", "-k", "-m", str(seconds), "-w", "\n%{http_code}", *words)
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds + 10)
        body, _, status = done.stdout.rpartition(b"\n")
        return Fetched(done.returncode, int(status or 0), body)

    def fetch_mail(self, host: str, number: int) -> bytes:
        """A mail of the mailbox as curl's POP3 client got it; its lines end as they were sent."""
        url = f"pop3://{mail.USER}:{mail.PASSWORD}@{WEB}/{number}"
        command = self.hosts[host].command("curl", "-sSf", "-m", "30", url)
        return subprocess.run(command, capture_output=True, check=False, timeout=40).stdout

    def download(self, host: str, megabytes: int, *, rate: str = "") -> subprocess.Popen[bytes]:
        """A download running beside; `finished` tells whether every byte was right."""
        limit = ["--limit-rate", rate] if rate else []
        url = f"http://{WEB}/big.bin?mb={megabytes}"
        pipeline = " ".join(["exec", "curl", "-sSf", "-m", "240", *limit, f"'{url}'", "|", "sha256sum"])
        return subprocess.Popen(self.hosts[host].command("sh", "-c", pipeline), stdout=subprocess.PIPE)

    def paced(self, host: str, rate: str) -> "Paced":
        """A download that goes on until it is stopped."""
        arrived = self.directory / f"paced-{host}.bin"
        arrived.unlink(missing_ok=True)
        url = f"http://{WEB}/big.bin?mb=500"
        command = self.hosts[host].command("curl", "-sSf", "--limit-rate", rate, "-o", arrived, url)
        return Paced(subprocess.Popen(command), arrived)

    def finished(self, download: subprocess.Popen[bytes], megabytes: int, *, seconds: float) -> bool:
        """Wait for a download and compare its SHA-256."""
        output, _ = download.communicate(timeout=seconds)
        return output.split()[0].decode() == digest(megabytes * 1_000_000)

    def address_of(self, host: str) -> str:
        """The IPv4 address its DHCP client took. Empty before."""
        listed = json.loads(self.hosts[host].run("ip", "-j", "-4", "address", "show", "dev", "eth0").stdout)
        return next((info["local"] for link in listed for info in link.get("addr_info", [])), "")

    def mac_of(self, host: str) -> str:
        return str(
            json.loads(self.hosts[host].run("ip", "-j", "link", "show", "dev", "eth0").stdout)[0]["address"]
        )

    def plug(self, router_side: str, hub_side: str) -> None:
        """Put a cable of the unit (tap name) into the router's port, and one into the hub."""
        self._move(router_side, self.internet, HOME)
        self._move(hub_side, self.hub, HUB)

    def plug_right(self) -> None:
        """As the installation guide says."""
        self.plug(*self.taps)

    def hosts_up(self, *, up: bool) -> None:
        """Switch the office's hosts on or off at the hub."""
        for name in self.hosts:
            self.hub.run("ip", "link", "set", name, "up" if up else "down")

    def _move(self, tap: str, to: Namespace, switch: str) -> None:
        here = self.plugged[tap]
        if here is not to:
            here.run("ip", "link", "set", tap, "netns", to.name)
            self.plugged[tap] = to
        to.run("ip", "link", "set", tap, "master", switch, "up")


@contextlib.contextmanager
def office(prefix: str, directory: Path) -> Iterator[Office]:
    """The whole office with its services running; the unit's cables come with the unit."""
    with contextlib.ExitStack() as stack:
        internet = stack.enter_context(namespace(f"{prefix}-wan"))
        hub = stack.enter_context(namespace(f"{prefix}-lan"))
        hosts = {name: stack.enter_context(namespace(f"{prefix}-{name}")) for name in HOSTS}
        _wire(internet, hub, hosts)
        taps = ("unit-wan", "unit-lan")
        made = Office(internet, hub, hosts, taps, directory, {taps[0]: internet, taps[1]: hub})
        _serve(stack, made)
        yield made


def join(office: Office, stack: contextlib.ExitStack) -> None:
    """Start the hosts' DHCP clients and wait until each has its address."""
    for name, host in office.hosts.items():
        client = (
            "udhcpc",
            "-f",
            "-i",
            "eth0",
            "-s",
            _SCRIPT,
            "-x",
            f"hostname:{name}",
            "-t",
            "20",
            "-T",
            "1",
            "-S",
        )
        stack.enter_context(host.running(*client))
    for name in office.hosts:
        wait_until(lambda name=name: office.address_of(name), seconds=60, what=f"an address for {name}")  # type: ignore[misc]


def _wire(internet: Namespace, hub: Namespace, hosts: dict[str, Namespace]) -> None:
    bridge(internet, HOME, [])
    # A bridge takes its address from its ports unless told; a router's does not change with its cables.
    internet.run("ip", "link", "set", HOME, "address", "02:0a:0a:0a:0a:01")
    address(internet, HOME, f"{ROUTER}/24")
    address(internet, "lo", *(f"{each}/32" for each in (WEB, FLEET, ATTACKER)))
    # A plain hub says nothing of its own.
    for scope in ("all", "default"):
        hub.write(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6", "1")
    bridge(hub, HUB, [])
    for name, host in hosts.items():
        cable(host, "eth0", hub, name)
        hub.run("ip", "link", "set", name, "master", HUB)


def _serve(stack: contextlib.ExitStack, office: Office) -> None:
    internet, log = office.internet, office.directory / "services.log"
    names = (f"--address=/example/{WEB}", f"--address=/{FLEET_NAME}/{FLEET}")
    leases = office.directory / "leases"
    stack.enter_context(
        internet.running(
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-hosts",
            "--no-resolv",
            "--user=root",
            "--pid-file=",
            f"--interface={HOME}",
            "--bind-dynamic",
            "--dhcp-range=192.168.10.100,192.168.10.199,12h",
            f"--dhcp-leasefile={leases}",
            f"--log-facility={log}",
            # Asking first whether an address is taken costs three seconds a host, one after the other.
            "--no-ping",
            "--dhcp-authoritative",
            *names,
            log=log,
        )
    )
    certificate = _certificate(office.directory)
    web = (PYTHON, "-m", "lab.services.web", "--bind")
    stack.enter_context(internet.running(*web, WEB, log=log))
    stack.enter_context(internet.running(*web, WEB, "--port", "443", "--certificate", certificate, log=log))
    stack.enter_context(mail.mailbox(internet, [ORDINARY_MAIL, INFECTED_MAIL]))
    stack.enter_context(office.hosts["nas"].running(*web, "0.0.0.0", log=log))  # noqa: S104 - inside its own namespace
    for host in office.hosts.values():
        stack.enter_context(_resolver(host, ROUTER))


@contextlib.contextmanager
def _resolver(host: Namespace, server: str) -> Iterator[None]:
    """Programs inside ask this DNS server: `ip netns exec` mounts the file over /etc/resolv.conf."""
    settings = Path("/etc/netns") / host.name
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "resolv.conf").write_text(
        f"nameserver {server}\noptions timeout:1 attempts:1\n", encoding="ascii"
    )
    try:
        yield
    finally:
        (settings / "resolv.conf").unlink(missing_ok=True)
        settings.rmdir()


def _certificate(directory: Path) -> Path:
    """A self-signed certificate for the web server of the demo's Internet."""
    path = directory / "web.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=www.example",
            "-keyout",
            str(path),
            "-out",
            str(path) + ".crt",
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + Path(str(path) + ".crt").read_bytes())
    return path


class Pinger:
    """A ping five times a second from a host of the office, and the longest silence it met."""

    def __init__(self, office: Office, host: str, target: str = WEB) -> None:
        command = office.hosts[host].command("ping", "-n", "-D", "-i", "0.2", "-W", "1", target)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def stop(self) -> tuple[int, float]:
        """(replies, longest gap in seconds between two replies)."""
        self._process.terminate()
        output, _ = self._process.communicate(timeout=10)
        times = [float(found) for found in re.findall(r"^\[([0-9.]+)\].*bytes from", output, re.MULTILINE)]
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        return len(times), max(gaps, default=0.0)
