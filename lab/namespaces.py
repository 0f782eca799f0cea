"""Network namespaces for tests and the demo: `lan` and `wan`, and between them `unit` with a bridge over two ports.

Everything has a name with the caller's prefix, so several runs can go on at once; everything is removed when its
context ends, processes inside included. The machine's own network is never touched.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace, by its `ip netns` name."""

    name: str

    def command(self, *command: str | Path) -> list[str]:
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(
        self, *command: str | Path, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run to its end and return its texts. Raises CalledProcessError, TimeoutExpired."""
        return subprocess.run(
            self.command(*command),
            check=check,
            timeout=timeout,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    @contextlib.contextmanager
    def running(self, *command: str | Path, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """A process that is ended, with SIGKILL if it must be, when the context ends."""
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
            process = subprocess.Popen(
                self.command(*command), stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
            stack.callback(end, process)
            yield process

    def write(self, path: str, text: str) -> None:
        """Write a file under /proc/sys/net as seen from inside."""
        self.run("sh", "-c", f"printf %s '{text}' > {path}")


def end(process: subprocess.Popen[bytes], *, patience: float = 5) -> None:
    """SIGTERM, and SIGKILL for one that does not listen."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


@contextlib.contextmanager
def namespace(name: str) -> Iterator[Namespace]:
    """A new namespace with its loopback up; at the end what runs inside is killed and the namespace removed."""
    ip("netns", "add", name)
    inside = Namespace(name)
    try:
        inside.run("ip", "link", "set", "lo", "up")
        yield inside
    finally:
        _kill_inside(name)
        ip("netns", "del", name)


def cable(one: Namespace, one_port: str, other: Namespace, other_port: str) -> None:
    """A veth pair between two namespaces, both ends up."""
    temporary = f"v{uuid.uuid4().hex[:11]}"
    ip(
        "link",
        "add",
        temporary,
        "netns",
        one.name,
        "type",
        "veth",
        "peer",
        "name",
        other_port,
        "netns",
        other.name,
    )
    one.run("ip", "link", "set", temporary, "name", one_port)
    one.run("ip", "link", "set", one_port, "up")
    other.run("ip", "link", "set", other_port, "up")


def bridge(inside: Namespace, name: str, ports: Sequence[str]) -> None:
    """A bridge over ports that are there already."""
    inside.run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "stp_state", "0")
    for port in ports:
        inside.run("ip", "link", "set", port, "master", name, "up")
    inside.run("ip", "link", "set", name, "up")


def address(inside: Namespace, port: str, *addresses: str) -> None:
    """Addresses with prefix length; IPv6 ones are usable at once."""
    for text in addresses:
        inside.run("ip", "address", "add", text, "dev", port, *(["nodad"] if ":" in text else []))


@dataclass(frozen=True, slots=True)
class Line:
    """A LAN host, the unit's namespace, and a host on the router's side."""

    lan: Namespace
    unit: Namespace
    wan: Namespace
    lan_address: str = "192.168.77.10"
    wan_address: str = "192.168.77.1"
    lan_address6: str = "fd77::10"
    wan_address6: str = "fd77::1"


@contextlib.contextmanager
def guarded_line(prefix: str = "oma") -> Iterator[Line]:
    """Lan `eth0` - `lan0` (unit, `br0`) `wan0` - `eth0` wan, with IPv4 and IPv6 addresses at both ends."""
    name = f"{prefix}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    with contextlib.ExitStack() as stack:
        lan, unit, wan = (stack.enter_context(namespace(f"{name}-{role}")) for role in ("lan", "unit", "wan"))
        line = Line(lan, unit, wan)
        cable(lan, "eth0", unit, "lan0")
        cable(wan, "eth0", unit, "wan0")
        bridge(unit, "br0", ["lan0", "wan0"])
        address(lan, "eth0", f"{line.lan_address}/24", f"{line.lan_address6}/64")
        address(wan, "eth0", f"{line.wan_address}/24", f"{line.wan_address6}/64")
        wait_until(lambda: reaches(lan, line.wan_address), seconds=5, what="the bridge to forward")
        yield line


def reaches(inside: Namespace, target: str) -> bool:
    """Whether one ping comes back within a second."""
    return inside.run("ping", "-c", "1", "-W", "1", target, check=False).returncode == 0


@contextlib.contextmanager
def http_server(inside: Namespace, directory: Path, *, where: str, port: int = 80) -> Iterator[None]:
    """Python's file server over a directory."""
    command = (PYTHON, "-m", "http.server", str(port), "--bind", where, "--directory", directory)
    with inside.running(*command):
        listening = ("sh", "-c", f"ss -Hltn | grep -q ':{port} '")
        wait_until(
            lambda: inside.run(*listening, check=False).returncode == 0,
            seconds=10,
            what=f"port {port} to listen",
        )
        yield


def wait_until(holds: Callable[[], object], *, seconds: float, what: str, step: float = 0.05) -> None:
    """Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(step)


def ip(*arguments: str) -> None:
    """The ip command of iproute2. Raises CalledProcessError with its text."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _kill_inside(name: str) -> None:
    found = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True, text=True)
    for pid in found.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
