"""The real process on real networks: a real DHCP server and client, cables that are moved, raw PPPoE frames."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.namespaces import wait_until
from omamori.firmware.host.spool import SpoolReader
from omamori.protocol.messages import Hosts, Log, Wiring
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, ROUTER
from tests.firmware.lan.panel import GATEWAY, dhcp_server, mac, send, site

pytestmark = pytest.mark.root
BAS = "00:90:1a:00:00:01"


@pytest.fixture
def net(tmp_path):
    with site(tmp_path) as built:
        yield built


def spooled(net, kind):
    reader = SpoolReader(net.state / "var/lib/omamori/spool/lan")
    return [body for segment in reader.segments() for body in segment.bodies if isinstance(body, kind)]


def test_a_real_client_is_named_with_its_address_and_survives_a_restart(net):
    with dhcp_server(net.router, net.state), net.lan_process():
        net.lease(net.office, name="keiri-pc")
        wait_until(lambda: mac(net.office) in net.hosts(), seconds=10, what="the host")
        wait_until(lambda: net.wiring()[0]["confidence"] > 0.9, seconds=10, what="a sure OK")
        assert net.codes() == ["OK"]
        host = net.hosts()[mac(net.office)]
        assert (host["name"], host["name_source"], host["side"]) == ("keiri-pc", "dhcp", "behind")
        assert host["addresses"][0]["address"].startswith("192.168.78.")
        assert mac(net.router) not in net.hosts()
        assert any(GATEWAY in fact and "wan0" in fact for fact in net.wiring()[0]["evidence"])
    assert "keiri-pc" in [host.name for message in spooled(net, Hosts) for host in message.hosts]
    (net.state / "run/omamori/lan/hosts.json").unlink()
    (net.state / "run/omamori/lan/wiring.json").unlink()
    net.unplug("lan0")
    with net.lan_process():
        assert net.hosts()[mac(net.office)]["name"] == "keiri-pc"


def test_swapped_cables_are_found_while_running_and_clear_when_mended(net):
    with dhcp_server(net.router, net.state), net.lan_process():
        net.plug(wan="office", lan="router")
        began = time.monotonic()
        net.lease(net.office, name="keiri-pc")
        wait_until(lambda: net.codes() == ["PORTS_SWAPPED"], seconds=20, what="PORTS_SWAPPED")
        assert time.monotonic() - began < 20
        wait_until(lambda: net.wiring()[0]["confidence"] >= 0.8, seconds=10, what="a sure verdict")
        assert any(mac(net.router) in fact and "lan0" in fact for fact in net.wiring()[0]["evidence"])
        net.plug(wan="router", lan="office")
        net.lease(net.office, name="keiri-pc")
        wait_until(lambda: net.codes() == ["OK"], seconds=20, what="the finding to clear")
    codes = [[finding.code for finding in message.findings] for message in spooled(net, Wiring)]
    assert ["PORTS_SWAPPED"] in codes
    assert codes[-1] == ["OK"]


@pytest.mark.slow
def test_an_empty_lan_side_is_found_within_30_seconds_and_clears(net):
    net.plug(wan="router")
    began = time.monotonic()
    with net.lan_process():
        assert net.codes() == ["OK"]
        wait_until(lambda: net.codes() == ["NO_HOSTS_BEHIND"], seconds=35, what="NO_HOSTS_BEHIND")
        assert time.monotonic() - began < 30
        net.plug(wan="router", lan="office")
        net.office.run("ip", "address", "add", "192.168.78.20/24", "dev", "eth0")
        net.office.run("ping", "-c", "1", GATEWAY)
        wait_until(lambda: net.codes() == ["OK"], seconds=10, what="the finding to clear")


@pytest.mark.slow
def test_an_idle_host_that_never_speaks_first_is_found_by_asking(net):
    net.office.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    net.office.run("ip", "address", "add", "192.168.78.20/24", "dev", "eth0")
    with net.lan_process():
        wait_until(lambda: mac(net.office) in net.hosts(), seconds=25, what="the idle host")
        host = net.hosts()[mac(net.office)]
        assert [held["address"] for held in host["addresses"]] == ["192.168.78.20"]
        assert net.codes() == ["OK"]


def test_a_unit_in_front_of_the_dialling_router_is_found_and_clears(net):
    offer = frames.pppoe(BAS, 0x07, tags=b"\x01\x02\x00\x05BAS-7", target=PC)
    with net.lan_process():
        send(net.office, frames.pppoe(PC, 0x09))
        send(net.router, offer)
        send(net.office, frames.pppoe(PC, 0x00, session=7, target=BAS))
        wait_until(lambda: net.codes() == ["PPPOE_UPSTREAM"], seconds=10, what="PPPOE_UPSTREAM")
        facts = "\n".join(net.wiring()[0]["evidence"])
        assert f"{PC} dials from the lan0 side" in facts
        assert f"{BAS} (BAS-7) answers as the provider's end on the wan0 side" in facts
        assert PC not in net.hosts()
        net.plug(wan="router", lan="office")
        wait_until(lambda: net.codes() == ["OK"], seconds=10, what="the finding to clear")


def test_tagged_frames_are_seen(net):
    with net.lan_process():
        send(net.office, frames.arp(PC, "10.1.2.3", "10.1.2.1", vlans=(30,)))
        wait_until(lambda: PC in net.hosts(), seconds=10, what="the tagged host")
        assert net.hosts()[PC]["addresses"][0]["address"] == "10.1.2.3"


COUNT = """
import json, sys, time
from omamori.firmware.lan.capture import Capture
with Capture(sys.argv[1]) as capture:
    print("ready", flush=True)
    sys.stdin.readline()
    time.sleep(0.3)
    print(json.dumps([captured.data[12:14].hex() for captured in capture.frames(most=5000)]))
"""


@contextlib.contextmanager
def counting(net, port):
    """A capture on one port; `read` gives the types of the frames it took until now."""
    command = net.unit.command(sys.executable, "-c", COUNT, port)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield lambda: json.loads(process.communicate("\n", timeout=20)[0])


def test_both_ports_in_one_switch_are_closed_before_the_network_melts_and_opened_again(net):
    net.plug(wan="router", lan="office")
    net.office.run("ip", "address", "add", "192.168.78.20/24", "dev", "eth0")
    with net.lan_process():
        net.panel.run("ip", "link", "set", "lan0", "down")
        net.panel.run("ip", "link", "set", "lan0", "master", "hub-wan0")
        net.panel.run("ip", "link", "set", "lan0", "up")
        wait_until(lambda: net.codes() == ["BOTH_PORTS_SAME_SWITCH"], seconds=20, what="the loop")
        assert port_state(net, "lan0") == "disabled"
        before = received(net, "wan0")
        time.sleep(2)
        assert received(net, "wan0") - before < 2_000
        net.panel.run("ip", "link", "set", "lan0", "down")
        net.panel.run("ip", "link", "set", "lan0", "master", "hub-lan0")
        net.panel.run("ip", "link", "set", "lan0", "up")
        wait_until(lambda: port_state(net, "lan0") == "forwarding", seconds=20, what="the port to open")
        wait_until(
            lambda: "BOTH_PORTS_SAME_SWITCH" not in net.codes(), seconds=20, what="the finding to clear"
        )


def test_a_process_that_ends_or_begins_leaves_no_port_closed(net):
    set_state(net, "lan0", "disabled")
    with net.lan_process():
        assert port_state(net, "lan0") == "forwarding"
        set_state(net, "lan0", "disabled")
    assert port_state(net, "lan0") == "forwarding"


def port_state(net, port):
    (link,) = json.loads(net.unit.run("bridge", "-json", "link", "show", "dev", port).stdout)
    return link["state"]


def set_state(net, port, state):
    net.unit.run("bridge", "link", "set", "dev", port, "state", state)


def received(net, port):
    (link,) = json.loads(net.unit.run("ip", "-json", "-statistics", "link", "show", port).stdout)
    return link["stats64"]["rx"]["packets"]


def test_swapped_ports_are_written_down_for_the_bridge(net):
    ports = net.state / "run/omamori/lan/ports.json"
    with dhcp_server(net.router, net.state), net.lan_process():
        wait_until(ports.exists, seconds=20, what="the ports")
        assert json.loads(ports.read_text()) == {"inside": "lan0", "swapped": False}
        net.plug(wan="office", lan="router")
        net.lease(net.office, name="keiri-pc")
        wait_until(lambda: json.loads(ports.read_text())["swapped"], seconds=60, what="the exchange")
        wait_until(lambda: net.hosts()[mac(net.office)]["side"] == "behind", seconds=30, what="the side")


def test_only_what_arrives_on_the_port_is_captured(net):
    with counting(net, "lan0") as lan, counting(net, "wan0") as wan:
        send(net.office, frames.arp(PC, "10.1.2.3", "10.1.2.1"))
        assert lan().count("0806") == 1
        assert "0806" not in wan()


def test_the_flood_of_a_dialled_line_is_thinned_in_the_kernel(net):
    data = frames.ethernet(PC, 0x8864, b"\x11\x00\x00\x07\x00\x22\x00\x21" + bytes(32), target=ROUTER)
    keepalive = frames.pppoe(PC, 0x00, session=7, target=ROUTER)
    with counting(net, "lan0") as lan:
        send(net.office, data, times=3000)
        send(net.office, keepalive, times=20)
        taken = lan().count("8864")
    assert 20 <= taken < 20 + 3000 / 64 * 2.5


def test_of_ordinary_traffic_only_openings_and_a_sample_come_up(net):
    data = frames.datagram(PC, "10.1.2.3", "203.0.113.9", bytes(40), sport=50_000, dport=443)
    flood6 = frames.ip6(PC, "2001:db8::5", "2001:db8::9", 17, b"\xc3\x50\x01\xbb\x00\x10\0\0" + bytes(8))
    named = [
        frames.opening(PC, "10.1.2.3", "203.0.113.9"),
        frames.solicitation(PC, "2001:db8::5", "2001:db8::1"),
        frames.datagram(PC, "10.1.2.3", "224.0.0.251", bytes(40), sport=5353, dport=5353),
        frames.datagram(PC, "10.1.2.3", "203.0.113.9", bytes(40), sport=50_000, dport=53),
        frames.time_answer(PC, "203.0.113.5", frames.at(0)),
    ]
    with counting(net, "lan0") as lan:
        send(net.office, data, flood6, times=2000)
        send(net.office, *named, times=10)
        taken = lan()
    assert 40 <= taken.count("0800") < 40 + 2000 / 256 * 4
    assert 10 <= taken.count("86dd") < 10 + 2000 / 256 * 4 + 20


def test_a_storm_costs_a_bounded_share_of_a_core(net):
    arps = [frames.arp(f"02:00:00:00:00:{n:02x}", f"10.1.2.{n + 1}", "10.1.2.250") for n in range(100)]
    with net.lan_process() as pid:
        before, began = _cpu(pid), time.monotonic()
        send(net.office, *arps, times=200)
        wait_until(lambda: len(net.hosts()) >= 100, seconds=10, what="the hosts of the storm")
        time.sleep(1)
        assert (_cpu(pid) - before) / (time.monotonic() - began) < 0.7


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_full_disk_stops_neither_diagnosis_nor_files_in_run(net):
    full = net.state / "var/lib/omamori"
    full.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "omamori-full", full], check=True)
    try:
        with contextlib.suppress(OSError):
            (full / "ballast").write_bytes(bytes(64 * 1024))
        with net.lan_process():
            send(net.office, frames.arp(PC, "10.1.2.3", "10.1.2.1"))
            wait_until(lambda: PC in net.hosts(), seconds=10, what="the host")
    finally:
        subprocess.run(["umount", full], check=True)
    assert "could not be stored" in (net.state / "log").read_text()


def test_a_damaged_inventory_is_told_and_set_aside(net):
    stored = net.state / "var/lib/omamori/lan/hosts.json"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"\x00garbage")
    with net.lan_process():
        pass
    assert stored.with_suffix(".bad").read_bytes() == b"\x00garbage"
    assert any("stored hosts" in log.text for log in spooled(net, Log))


def test_systemd_is_told_when_the_process_listens(net):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(net.state / "notify"))
        listener.settimeout(10)
        with net.lan_process(environment=[f"NOTIFY_SOCKET={net.state}/notify"]):
            assert listener.recv(100) == b"READY=1"
            assert listener.recv(100) == b"WATCHDOG=1"


def test_a_missing_port_is_a_clear_error(net):
    done = net.unit.run(sys.executable, "-m", "omamori.firmware.lan", "--wan", "nothere0", check=False)
    assert done.returncode == 1
    assert "no interface nothere0" in done.stderr
    assert "Traceback" not in done.stderr
