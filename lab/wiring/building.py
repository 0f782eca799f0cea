"""Builds a plan: one namespace for each box, hubs in a panel, and the unit's two cables not plugged in yet.

    isp (web, fleet, DNS) --- [home gateway] --- router --- hub "home" --- [wan0 unit lan0] --- hub "office" --- PCs, servers
                                                                                access point --- hub "hidden" --- PCs

Every box talks with the kernel's own stack and real servers; only frames that this kernel cannot make (PPPoE, VLAN tags) are
generated. Addresses and names are those reserved for documentation (RFC 5737, 3849, 2606).
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lab.namespaces import PYTHON, Namespace, address, bridge, cable, namespace, wait_until
from lab.wiring import parts
from lab.wiring.parts import FLEET6, FLEET_ADDRESS, FLEET_NAME, FLEET_PORT, WEB6, WEB_ADDRESS, Certificates
from lab.wiring.plan import Pc, Plan
from lab.wiring.relay import slow_cable

ROUTER: Final = "192.168.10.1"
_ROUTER6: Final = "2001:db8:1::1"
_PUBLIC_ROUTER, _PUBLIC_SERVER = "203.0.113.129", "203.0.113.130"
_HUBS: Final = ("home", "office", "hidden", "empty")


@dataclass(slots=True)
class Built:
    """The boxes, and the unit's cables."""

    plan: Plan
    unit: Namespace
    panel: Namespace
    root: Path
    """The unit's file system root."""
    boxes: dict[str, Namespace] = field(default_factory=dict)

    def plug(self) -> None:
        """Put both cables of the unit where the plan says; an end that leads nowhere stays dark."""
        for port, hub in (("wan0", self.plan.wan_hub), ("lan0", self.plan.lan_hub)):
            if hub:
                self.move(port, hub)

    def move(self, port: str, hub: str) -> None:
        """Pull one cable of the unit and put it into this hub."""
        end = f"unit-{port}"
        self.panel.run("ip", "link", "set", end, "down")
        self.panel.run("ip", "link", "set", end, "master", f"hub-{hub}")
        self.panel.run("ip", "link", "set", end, "up")

    def pull(self, port: str) -> None:
        self.panel.run("ip", "link", "set", f"unit-{port}", "down")

    @contextlib.contextmanager
    def lan_process(self) -> Iterator[None]:
        """The real process; raises AssertionError with its log when it ended by itself."""
        log = self.root / "lan.log"
        command = (PYTHON, "-m", "omamori.firmware.lan", "--root", self.root)
        with self.unit.running(*command, log=log) as process:
            wait_until((self.root / "run/omamori/lan/wiring.json").exists, seconds=60, what="the lan process")
            yield
            assert process.poll() is None, log.read_text()  # noqa: S101 - engineers' code

    def codes(self) -> list[str]:
        """The present verdict, root cause first."""
        return [str(finding["code"]) for finding in self.wiring()]

    def wiring(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads((self.root / "run/omamori/lan/wiring.json").read_bytes())[
            "findings"
        ]
        return found

    def hosts(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads((self.root / "run/omamori/lan/hosts.json").read_bytes())[
            "hosts"
        ]
        return found


@contextlib.contextmanager
def build(plan: Plan, prefix: str, directory: Path, certificates: Certificates) -> Iterator[Built]:
    """The whole topology, running, with the unit's cables pulled."""
    with contextlib.ExitStack() as stack:
        builder = _Builder(plan, prefix, directory, certificates, stack)
        yield builder.build()


class _Builder:
    """One build; everything it makes goes away with the stack."""

    def __init__(
        self,
        plan: Plan,
        prefix: str,
        directory: Path,
        certificates: Certificates,
        stack: contextlib.ExitStack,
    ) -> None:
        self._plan, self._prefix, self._directory = plan, prefix, directory
        self._certificates, self._stack = certificates, stack
        self._boxes: dict[str, Namespace] = {}

    def build(self) -> Built:
        panel, unit = self._box("panel"), self._box("unit")
        for scope in ("all", "default"):
            panel.write(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6", "1")
        for hub in _HUBS:
            _hub(panel, f"hub-{hub}")
        root = self._directory / "unit"
        self._router(panel)
        self._unit(unit, panel, root)
        self._pcs(panel)
        self._extras(panel)
        return Built(self._plan, unit, panel, root, self._boxes)

    def _box(self, role: str) -> Namespace:
        box = self._stack.enter_context(namespace(f"{self._prefix}-{role}"))
        self._boxes[role] = box
        return box

    def _plugged(self, panel: Namespace, role: str, hub: str, *, silent: bool = False) -> Namespace:
        """A new box whose eth0 ends in a hub."""
        box = self._box(role)
        if silent or not self._plan.ipv6_only:
            for scope in ("all", "default"):
                box.write(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6", "1")
        cable(box, "eth0", panel, role)
        panel.run("ip", "link", "set", role, "master", f"hub-{hub}")
        return box

    # --- the unit ---------------------------------------------------------------------------------------------

    def _unit(self, unit: Namespace, panel: Namespace, root: Path) -> None:
        plan = self._plan
        cable(unit, "wan0", panel, "unit-wan0")
        panel.run("ip", "link", "set", "unit-wan0", "down")
        if plan.slow_lan:
            self._slow_port(unit, panel)
        else:
            cable(unit, "lan0", panel, "unit-lan0")
            panel.run("ip", "link", "set", "unit-lan0", "down")
        bridge(unit, "br0", ["wan0", "lan0"])
        agent = root / "var/lib/omamori/agent"
        agent.mkdir(parents=True)
        place = {"url": f"https://{FLEET_NAME}:{FLEET_PORT}", "ca": str(self._certificates.fleet)}
        (agent / "fleet.json").write_text(json.dumps(place))
        self._stack.enter_context(parts.resolver(unit, _ROUTER6 if plan.ipv6_only else ROUTER))
        if not plan.ipv6_only:
            parts.lease(self._stack, unit, port="br0", name="omamori")

    def _slow_port(self, unit: Namespace, panel: Namespace) -> None:
        """A tap for lan0; in the panel a veth pair between the relay and the hub."""
        panel.run("ip", "link", "add", "unit-lan0", "type", "veth", "peer", "name", "relay")
        panel.run("ip", "link", "set", "relay", "up")
        self._stack.enter_context(slow_cable(unit, "lan0", panel, "relay", speed=100, duplex="half"))

    # --- the router's side ------------------------------------------------------------------------------------

    def _router(self, panel: Namespace) -> None:
        plan = self._plan
        if plan.pppoe or not plan.untagged:
            self._plugged(panel, "router", "home", silent=True)
            return
        router = self._plugged(panel, "router", "home")
        self._internet(router)
        if plan.ipv6_only:
            address(router, "eth0", f"{_ROUTER6}/64")
            router.write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        else:
            address(router, "eth0", f"{ROUTER}/24")
            router.write("/proc/sys/net/ipv4/ip_forward", "1")
            router.run(*_MASQUERADE, "-o", "eth1", "-j", "MASQUERADE")
        parts.dnsmasq(
            self._stack, router, self._directory, port="eth0", settings=tuple(self._router_settings())
        )
        if plan.captive:
            self._portal(router)

    def _router_settings(self) -> Iterator[str]:
        plan = self._plan
        yield f"--server={'2001:db8:2::1' if plan.ipv6_only else '198.51.100.1'}"
        if plan.ipv6_only:
            yield from ("--enable-ra", "--dhcp-range=2001:db8:1::,ra-only,64", "--ra-param=eth0,5,1800")
        elif plan.dhcp:
            yield "--dhcp-range=192.168.10.100,192.168.10.199,12h"

    def _internet(self, router: Namespace) -> None:
        """The line, with or without the provider's gateway on the way, and what is at its other end."""
        plan, isp = self._plan, self._box("isp")
        cable(router, "eth1", isp, "line")
        near, far = ("192.168.1.2", "192.168.1.1") if plan.double_nat else ("198.51.100.2", "198.51.100.1")
        if plan.double_nat:
            router, isp = self._home_gateway(router, isp, near=near, far=far)
        else:
            self._join(router, "eth1", near, far)
            self._join(isp, "line", far, "")
        address(isp, "lo", *(f"{each}/32" for each in (WEB_ADDRESS, FLEET_ADDRESS, "198.51.100.1")))
        if plan.ipv6_only:
            address(isp, "lo", f"{WEB6}/128", f"{FLEET6}/128")
        self._services(isp)
        if not plan.internet:
            isp.run("ip", "link", "set", "line", "down")

    def _join(self, box: Namespace, port: str, own: str, gateway: str) -> None:
        if self._plan.ipv6_only:
            last = own.rpartition(".")[2]
            address(box, port, f"2001:db8:2::{last}/64")
            way = (
                ("default", "via", "2001:db8:2::1")
                if gateway
                else ("2001:db8:1::/64", "via", "2001:db8:2::2")
            )
            box.run("ip", "-6", "route", "add", *way)
            return
        address(box, port, f"{own}/30" if own.startswith("198") else f"{own}/24")
        if gateway:
            box.run("ip", "route", "add", "default", "via", gateway)

    def _home_gateway(
        self, router: Namespace, isp: Namespace, *, near: str, far: str
    ) -> tuple[Namespace, Namespace]:
        """The provider's router in the middle; it translates, too."""
        gateway, beyond = isp, self._box("isp2")
        self._join(router, "eth1", near, far)
        self._join(gateway, "line", far, "")
        gateway.write("/proc/sys/net/ipv4/ip_forward", "1")
        cable(gateway, "eth1", beyond, "line")
        self._join(gateway, "eth1", "198.51.100.2", "198.51.100.1")
        gateway.run(*_MASQUERADE, "-o", "eth1", "-j", "MASQUERADE")
        self._join(beyond, "line", "198.51.100.1", "")
        return router, beyond

    def _services(self, isp: Namespace) -> None:
        plan = self._plan
        web, fleet = (WEB6, FLEET6) if plan.ipv6_only else (WEB_ADDRESS, FLEET_ADDRESS)
        names = (f"--address=/{FLEET_NAME}/{fleet}", f"--address=/www.omamori.example/{web}")
        parts.dnsmasq(self._stack, isp, self._directory, port="line", settings=names)
        parts.stub(self._stack, isp, "--bind", web)
        if plan.fleet:
            tls = ("--port", str(FLEET_PORT), "--certificate", self._certificates.fleet)
            parts.stub(self._stack, isp, "--bind", fleet, *tls, "--shift", str(plan.clock_shift))

    def _portal(self, router: Namespace) -> None:
        """A sign-in page that catches all web traffic."""
        for port, target in ((80, 80), (443, FLEET_PORT), (FLEET_PORT, FLEET_PORT)):
            rule = f"-i eth0 -p tcp --dport {port} -j REDIRECT --to-ports {target}".split()
            router.run("iptables", "-t", "nat", "-A", "PREROUTING", *rule)
        parts.stub(self._stack, router, "--redirect", "http://sign-in.example/")
        tls = ("--port", str(FLEET_PORT), "--certificate", self._certificates.stranger)
        parts.stub(self._stack, router, *tls, "--redirect", "http://sign-in.example/")

    # --- the hosts --------------------------------------------------------------------------------------------

    def _pcs(self, panel: Namespace) -> None:
        if self._plan.nat_access_point:
            self._access_point(panel)
        for pc in self._plan.pcs:
            self._pc(panel, pc)

    def _pc(self, panel: Namespace, pc: Pc) -> None:
        box = self._plugged(panel, pc.name, pc.hub, silent=not self._plan.untagged)
        if not self._plan.untagged:
            return
        if pc.windows:
            box.write("/proc/sys/net/ipv4/ip_default_ttl", "128")
            box.write("/proc/sys/net/ipv4/tcp_timestamps", "0")
        self._stack.enter_context(parts.resolver(box, _ROUTER6 if self._plan.ipv6_only else ROUTER))
        if pc.address:
            address(box, "eth0", f"{pc.address}/24")
            box.run("ip", "route", "add", "default", "via", ROUTER)
        elif not self._plan.ipv6_only:
            parts.lease(self._stack, box, name=pc.name)
        if pc.does != "idle":
            parts.worker(self._stack, box, pc.does, pc.name)

    def _access_point(self, panel: Namespace) -> None:
        """A Wi-Fi router in router mode: its devices share its one address."""
        box = self._plugged(panel, "access", "office")
        cable(box, "eth1", panel, "access-lan")
        panel.run("ip", "link", "set", "access-lan", "master", "hub-hidden")
        address(box, "eth1", "192.168.50.1/24")
        box.write("/proc/sys/net/ipv4/ip_forward", "1")
        box.run(*_MASQUERADE, "-o", "eth0", "-j", "MASQUERADE")
        if self._plan.dhcp:
            parts.lease(self._stack, box, name="access")
        else:
            address(box, "eth0", "192.168.10.70/24")
            box.run("ip", "route", "add", "default", "via", ROUTER)
        dns = ("--dhcp-range=192.168.50.50,192.168.50.99,1h", f"--dhcp-option=6,{ROUTER}", "--port=0")
        parts.dnsmasq(self._stack, box, self._directory, port="eth1", settings=dns)

    def _extras(self, panel: Namespace) -> None:
        plan = self._plan
        if plan.rogue:
            self._rogue(panel)
        if plan.tagged:
            for hub in ("home", "office"):
                box = self._plugged(panel, f"trunk-{hub}", hub, silent=True)
                parts.worker(self._stack, box, "tagged", hub)
        if plan.phone:
            parts.worker(self._stack, self._plugged(panel, "phone", "office", silent=True), "phone")
        if plan.public_server:
            self._public_server(panel)
        if plan.pppoe:
            modem = self._plugged(panel, "modem", "office", silent=True)
            for box, role in ((modem, "client"), (self._boxes["router"], "server")):
                self._stack.enter_context(box.running(PYTHON, "-m", "lab.services.pppoe", "eth0", role))
        if plan.crowd:
            self._crowd(panel)

    def _rogue(self, panel: Namespace) -> None:
        """A Wi-Fi router whose LAN port is in the hub."""
        box = self._plugged(panel, "rogue", "office")
        address(box, "eth0", "192.168.0.1/24")
        settings = ("--dhcp-range=192.168.0.50,192.168.0.99,1h", "--port=0")
        parts.dnsmasq(self._stack, box, self._directory, port="eth0", settings=settings)

    def _public_server(self, panel: Namespace) -> None:
        box = self._plugged(panel, "server", "office")
        address(self._boxes["router"], "eth0", f"{_PUBLIC_ROUTER}/28")
        address(box, "eth0", f"{_PUBLIC_SERVER}/28")
        self._stack.enter_context(box.running("ping", "-q", "-i", "5", _PUBLIC_ROUTER))

    def _crowd(self, panel: Namespace) -> None:
        """Many hosts in one box: a macvlan device each, which answers by its own address."""
        box = self._plugged(panel, "crowd", "office", silent=True)
        script = []
        for number in range(self._plan.crowd):
            last = 30 + number if number < 70 else 130 + number
            script.append(f"link add link eth0 name m{number} type macvlan mode bridge")
            script.append(f"address add 192.168.10.{last}/32 dev m{number}")
            script.append(f"link set m{number} up")
        batch = self._directory / "crowd.batch"
        batch.write_text("\n".join(script) + "\n")
        box.run("ip", "-batch", batch)
        box.run("sh", "-c", "for each in /proc/sys/net/ipv4/conf/m*/arp_ignore; do echo 1 > $each; done")


_MASQUERADE: Final = ("iptables", "-t", "nat", "-A", "POSTROUTING")


def _hub(panel: Namespace, name: str) -> None:
    """A bridge that says nothing of its own, as a hub does."""
    panel.run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    panel.run("ip", "link", "set", name, "multicast", "off", "arp", "off", "up")
