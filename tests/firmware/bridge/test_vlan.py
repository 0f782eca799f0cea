"""Who is blocked in a VLAN is told so as elsewhere: the answers carry the tag, or nobody would get them."""

import contextlib
import os
import re
import socket
import struct
import subprocess
from pathlib import Path

import dpkt
import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, address, cable, guarded_line, http_server, namespace, reaches, wait_until
from omamori.firmware.host.rules import TAG_SHIFT, Plan, Queues, iptables_rules, nft_rules
from tests.firmware.bridge.test_guarding import packed
from tests.firmware.bridge.test_replies import ASK, PHISHING, RESET, TLS_RESET, curl, question

pytestmark = pytest.mark.root

PORT = Path(__file__).with_name("vlan_port.py")
TAG = 5 << 13 | 2748
"""Priority 5, and a VLAN number of which many bits are set."""
PC, SITE = "10.77.10.10", "10.77.10.1"
PC6, SITE6 = "fd10::10", "fd10::1"
BOTH = pytest.mark.parametrize("version", [4, 6])


@contextlib.contextmanager
def vlan(inside, *addresses):
    """An interface of VLAN 2748 with these addresses."""
    command = inside.command(PYTHON, PORT, "eth0", str(TAG))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            name = process.stdout.readline().strip()
            address(inside, name, *addresses)
            inside.run("ip", "link", "set", name, "up")
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unit")
    pack = packed(folder / "pack", "1.0.0", phishing=["phish.example"])
    (folder / "page").write_text("an ordinary page")
    with guarded_line("omavl") as line, contextlib.ExitStack() as stack:
        stack.enter_context(vlan(line.lan, f"{PC}/24", f"{PC6}/64"))
        stack.enter_context(vlan(line.wan, f"{SITE}/24", f"{SITE6}/64"))
        unit = BridgeProcess(line, folder / "root")
        unit.log.parent.mkdir()
        unit.install(pack, version="1.0.0")
        stack.enter_context(http_server(line.wan, folder, where="::", port=80))
        stack.enter_context(http_server(line.wan, folder, where="::", port=443))
        stack.enter_context(http_server(line.lan, folder, where="::", port=80))
        stack.enter_context(unit.running())
        unit.wait_for_pack("1.0.0", seconds=60)
        for where in (f"http://{SITE}/page", f"http://[{SITE6}]/page"):
            wait_until(lambda w=where: curl(line.lan, w)[1] == 200, seconds=30, what="the VLAN")
        yield unit


def at(version, port):
    return "--resolve", f"{PHISHING}:{port}:" + (SITE if version == 4 else f"[{SITE6}]")


@BOTH
def test_a_blocked_page_says_why(unit, version):
    code, status, page = curl(unit.line.lan, *at(version, 80), f"http://{PHISHING}/")
    assert (code, status) == (0, 403)
    assert "This page was blocked" in page


@BOTH
def test_a_blocked_tls_connection_is_reset(unit, version):
    code, _, _ = curl(unit.line.lan, *at(version, 443), f"https://{PHISHING}/")
    assert code == TLS_RESET


@BOTH
def test_a_blocked_name_does_not_exist(unit, version):
    where = SITE if version == 4 else SITE6
    said = unit.line.lan.run(PYTHON, "-c", ASK, "udp", where, question(PHISHING).hex()).stdout
    answer = dpkt.dns.DNS(bytes.fromhex(said))
    assert (answer.id, answer.qr, answer.rcode) == (0x4D2, 1, 3)


@BOTH
def test_whoever_attacks_from_outside_is_reset(unit, version):
    where = PC if version == 4 else f"[{PC6}]"
    code, _, _ = curl(unit.line.wan, f"http://{where}/list?id=1%20union%20all%20select%20password")
    assert code == RESET


def test_what_has_no_tag_is_answered_without(unit):
    line = unit.line
    code, status, _ = curl(line.lan, "--resolve", f"{PHISHING}:80:{line.wan_address}", f"http://{PHISHING}/")
    assert (code, status) == (0, 403)


# --- the kernel's rules alone

PLAN = Plan("br0", ("wan0", "lan0"), Queues(1, 0))
COUNT = f"""
table inet counting {{
  chain forward {{
    type filter hook forward priority 0; policy accept;
    meta l4proto icmp meta mark & 0xffff0000 == {TAG << TAG_SHIFT:#x} counter
    meta l4proto icmp meta mark & 0xffff0000 == 0 counter
  }}
}}
"""


@pytest.mark.parametrize("tool", ["nft", "iptables"])
def test_both_backends_hand_the_tag_on_and_only_of_what_has_one(tool):
    """Without the queues: three echoes and their answers in the VLAN, two and theirs outside."""
    with guarded_line("omavk") as line, contextlib.ExitStack() as stack:
        for switch in ("bridge-nf-call-iptables", "bridge-nf-filter-vlan-tagged"):
            line.unit.write(f"/proc/sys/net/bridge/{switch}", "1")
        stack.enter_context(vlan(line.lan, f"{PC}/24"))
        stack.enter_context(vlan(line.wan, f"{SITE}/24"))
        wait_until(lambda: reaches(line.lan, SITE), seconds=30, what="the VLAN")
        if tool == "nft":
            load(line, ["nft", "-f", "-"], re.sub(r" queue flags bypass to \S+", "", nft_rules(PLAN)))
        else:
            rules = re.sub(r" -j NFQUEUE --queue-num \d --queue-bypass", "", iptables_rules(PLAN, ipv6=False))
            load(line, ["iptables-restore", "--noflush"], rules)
            line.unit.run("iptables", "-t", "mangle", "-A", "FORWARD", "-j", "OMAMORI")
        load(line, ["nft", "-f", "-"], COUNT)
        for where, count in ((SITE, 3), (line.wan_address, 2)):
            line.lan.run("ping", "-c", str(count), "-i", "0.2", "-W", "9", where)
        listed = line.unit.run("nft", "list", "table", "inet", "counting").stdout
    assert re.findall(r"counter packets (\d+)", listed) == ["6", "4"]


def load(line, command, text):
    subprocess.run(line.unit.command(*command), input=text, text=True, check=True, capture_output=True)


# --- the parts alone

EARLY = """
import socket, struct, sys
port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
port.bind(("eth0", 0))
port.send(b"\\xff" * 6 + bytes([2, 0, 0, 0, 0, 9]) + struct.pack("!HHH", 0x8100, int(sys.argv[1]), 0x0806) + bytes(46))
"""


def test_a_frame_that_comes_before_the_interface_is_up_ends_nothing():
    name = f"omave-{os.getpid()}"
    with namespace(f"{name}-a") as one, namespace(f"{name}-b") as other:
        cable(one, "eth0", other, "eth0")
        command = other.command(PYTHON, PORT, "eth0", str(TAG))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as port:
            try:
                device = port.stdout.readline().strip()
                one.run(PYTHON, "-c", EARLY, str(TAG))
                address(other, device, f"{SITE}/24")
                other.run("ip", "link", "set", device, "up")
                with vlan(one, f"{PC}/24"):
                    wait_until(lambda: reaches(one, SITE), seconds=30, what="the VLAN")
                assert port.poll() is None
            finally:
                port.terminate()


TWO_VLANS = """
import socket, sys
from omamori.firmware.host.wire import Wire
wire = Wire([socket.if_nametoindex("eth0")])
packet = bytes.fromhex(sys.argv[1])
for tag, last in ((0, 1), (10, 2), (3 << 13 | 20, 3)):
    wire.learn(packet[12:16], bytes([2, 0, 0, 0, 0, last]), tag)
    wire.learn(packet[16:20], bytes([2, 0, 0, 0, 1, last]), tag)
for tag in (0, 10, 3 << 13 | 20, 20, 30):
    print(wire.send(socket.if_nametoindex("eth0"), packet, wire.neighbour(packet[16:20], tag), tag))
"""
HEARD = """
import socket
from tests.firmware.bridge.vlan_port import tag_of, wire
heard = wire("eth0")
heard.settimeout(20)
print("listening", flush=True)
for _ in range(4):
    frame, beside, _, _ = heard.recvmsg(9999, 64)
    print(frame[5], frame[11], tag_of(beside), frame[12:14].hex(), flush=True)
"""


def test_the_same_address_in_two_vlans_is_two_hosts():
    """A reply goes to the one in the packet's VLAN, with its priority; to one who was never seen there it is not sent."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20, 1, 0, 64, 253, 0)
    packet = head + socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2")
    name = f"omavw-{os.getpid()}"
    with namespace(f"{name}-a") as one, namespace(f"{name}-b") as other:
        for inside in (one, other):
            inside.write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
        cable(one, "eth0", other, "eth0")
        with subprocess.Popen(other.command(PYTHON, "-c", HEARD), stdout=subprocess.PIPE, text=True) as ear:
            assert ear.stdout.readline() == "listening\n"
            sent = one.run(PYTHON, "-c", TWO_VLANS, packet.hex()).stdout.split()
            heard = ear.stdout.read().splitlines()
    assert sent == ["True", "True", "True", "True", "False"]
    assert heard == ["1 1 None 0800", "2 2 10 0800", f"3 3 {3 << 13 | 20} 0800", "3 3 20 0800"]
