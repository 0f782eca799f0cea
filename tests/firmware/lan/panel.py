"""A unit whose two cables can be moved while its `lan` process runs: namespaces, a patch panel, real clients and servers."""

import contextlib
import json
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.namespaces import Namespace, bridge, cable, namespace, wait_until

GATEWAY = "192.168.78.1"
UNIT = "192.168.78.2"
_LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip address replace "$ip/24" dev "$interface"
[ "$1" = deconfig ] && ip link set "$interface" up
exit 0
"""
_SEND = """
import socket, sys, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for _ in range(int(sys.argv[1])):
    for frame in sys.argv[2:]:
        out.send(bytes.fromhex(frame))
"""


@dataclass(frozen=True)
class Site:
    """`router` and `office` end in the panel; `plug` says which of them the unit's ports lead to."""

    unit: Namespace
    panel: Namespace
    router: Namespace
    office: Namespace
    state: Path

    def plug(self, *, wan: str = "", lan: str = "") -> None:
        """Pull both cables of the unit and put them in again; an empty name leads to an empty hub."""
        for port in ("wan0", "lan0"):
            self.panel.run("ip", "link", "set", port, "down")
        for cable_end in ("router", "office"):
            self.panel.run("ip", "link", "set", cable_end, "nomaster")
        for port, target in (("wan0", wan), ("lan0", lan)):
            self.panel.run("ip", "link", "set", port, "up")
            if target:
                self.panel.run("ip", "link", "set", target, "master", f"hub-{port}")
        wait_until(self._forwards, seconds=5, what="the cables to carry")

    def _forwards(self) -> bool:
        """Whether every bridge port that is plugged in has left the blocking state; the kernel takes up to a second."""
        for inside in (self.panel, self.unit):
            links = json.loads(inside.run("ip", "-detail", "-json", "link", "show").stdout)
            states = [link["linkinfo"]["info_slave_data"]["state"] for link in links if "master" in link]
            if set(states) != {"forwarding"}:
                return False
        return True

    def unplug(self, port: str) -> None:
        self.panel.run("ip", "link", "set", port, "down")

    @contextlib.contextmanager
    def lan_process(self, *, environment: Sequence[str] = ()) -> Iterator[int]:
        """The real process; ends with SIGTERM. Gives its process id."""
        command = ("env", *environment, sys.executable, "-m", "omamori.firmware.lan", "--root", self.state)
        with self.unit.running(*command, log=self.state / "log") as process:
            wait_until(
                (self.state / "run/omamori/lan/wiring.json").exists,
                seconds=60,
                what="the lan process",
            )
            yield process.pid
            assert process.poll() is None, (self.state / "log").read_text()

    def hosts(self) -> dict[str, dict]:
        return {host["mac"]: host for host in self._read("hosts.json")["hosts"]}

    def wiring(self) -> list[dict]:
        return self._read("wiring.json")["findings"]

    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.wiring()]

    def _read(self, name: str) -> dict:
        return json.loads((self.state / "run/omamori/lan" / name).read_text())

    def lease(self, inside: Namespace, *, name: str) -> None:
        """Ask for an address with a real client."""
        script = self.state / "lease.sh"
        script.write_text(_LEASE_SCRIPT)
        script.chmod(0o755)
        command = (
            "udhcpc",
            "-i",
            "eth0",
            "-n",
            "-q",
            "-f",
            "-t",
            "10",
            "-T",
            "1",
            "-s",
            script,
            "-x",
            f"hostname:{name}",
        )
        inside.run(*command)


def mac(inside: Namespace) -> str:
    return json.loads(inside.run("ip", "-json", "link", "show", "eth0").stdout)[0]["address"]


def send(inside: Namespace, *frames: bytes, times: int = 1) -> None:
    """Put raw frames on the wire."""
    inside.run(sys.executable, "-c", _SEND, str(times), *(frame.hex() for frame in frames))


@contextlib.contextmanager
def site(state: Path) -> Iterator[Site]:
    """Router with DHCP server, an office host without an address, a unit between them, plugged right."""
    name = f"lan-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    with contextlib.ExitStack() as stack:
        spaces = [
            stack.enter_context(namespace(f"{name}-{role}")) for role in ("unit", "panel", "router", "office")
        ]
        unit, panel, router, office = spaces
        panel.write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")
        panel.write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
        for port in ("wan0", "lan0"):
            cable(unit, port, panel, port)
            _hub(panel, f"hub-{port}", port)
        bridge(unit, "br0", ["wan0", "lan0"])
        for inside, end in ((router, "router"), (office, "office")):
            cable(inside, "eth0", panel, end)
        router.run("ip", "address", "add", f"{GATEWAY}/24", "dev", "eth0")
        unit.run("ip", "address", "add", f"{UNIT}/24", "dev", "br0")
        built = Site(unit, panel, router, office, state)
        built.plug(wan="router", lan="office")
        yield built


def _hub(panel: Namespace, name: str, port: str) -> None:
    """A bridge that says nothing of its own, as a hub does."""
    panel.run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    panel.run("ip", "link", "set", name, "multicast", "off", "arp", "off", "up")
    panel.run("ip", "link", "set", port, "master", name, "up")


@contextlib.contextmanager
def dhcp_server(inside: Namespace, state: Path) -> Iterator[None]:
    """Runs dnsmasq on the router."""
    command = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--no-ping",
    ]
    command += ["--interface=eth0", "--bind-interfaces", "--dhcp-authoritative", "--pid-file="]
    command += ["--dhcp-range=192.168.78.50,192.168.78.99,1h", f"--dhcp-leasefile={state}/leases"]
    with inside.running(*command, log=state / "dnsmasq.log"):
        listening = ("sh", "-c", "ss -Hlun | grep -q ':67 '")
        wait_until(lambda: inside.run(*listening, check=False).returncode == 0, seconds=10, what="dnsmasq")
        yield
