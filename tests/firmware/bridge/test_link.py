"""The ports and the self-test: what is probed at start, what is put right, and what is said about the rest."""

import socket
import struct
import subprocess

import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, guarded_line, wait_until
from omamori.firmware.host.link import examine
from omamori.protocol.reasons import Uninspected
from tests.firmware.bridge.test_data_path import PACK, Unit
from tests.firmware.bridge.test_guarding import packed
from tests.firmware.bridge.test_replies import question

VLAN = 10
HEAR = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(263, 8, 1)  # the kernel takes the tag off and tells it beside
wire.bind(("eth0", 0)); wire.settimeout(8)
print("listening", flush=True)
heard = set()
while b"the end" not in heard:
    frame, more, _, _ = wire.recvmsg(9999, 999)
    for part in sys.argv[1:]:
        if part.encode() in frame: heard.add(part.encode()); print(part, flush=True)
"""
SEND = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); wire.bind(("eth0", 0))
for frame in sys.argv[1:]: wire.send(bytes.fromhex(frame))
"""


@pytest.fixture
def line():
    with guarded_line("omalk") as line:
        yield line


@pytest.fixture
def unit(line, tmp_path):
    """The product."""
    unit = BridgeProcess(line, tmp_path / "unit")
    unit.log.parent.mkdir()
    unit.install(packed(tmp_path / "pack", "1.0.0", phishing=["phish.example"]), version="1.0.0")
    return unit


def tagged(line, payload, *tags):
    """A UDP datagram from the LAN host to port 53 of the other, in VLANs 10, 11, ... of these kinds, the outermost first."""
    source, destination = (socket.inet_aton(each) for each in (line.lan_address, line.wan_address))
    body = struct.pack("!HHHH", 4000, 53, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0) + source + destination
    total = sum(struct.unpack("!10H", head))
    checksum = 0xFFFF - (total + (total >> 16)) % 0x10000
    head = head[:10] + struct.pack("!H", checksum) + head[12:]
    below = b"".join(struct.pack("!HH", kind, VLAN + at) for at, kind in enumerate(tags)) + b"\x08\x00"
    return b"\xff" * 6 + bytes.fromhex("020000000001") + below + head + body


@pytest.mark.root
def test_the_smaller_mtu_of_two_ports_is_raised_and_jumbo_frames_pass(line, unit):
    for inside, port in ((line.lan, "eth0"), (line.wan, "eth0"), (line.unit, "lan0")):
        inside.run("ip", "link", "set", port, "mtu", "9000")
    jumbo = ("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "8000", line.wan_address)
    assert line.lan.run(*jumbo, check=False).returncode != 0
    with unit.running():
        unit.wait_for_pack("1.0.0")
        assert line.lan.run(*jumbo, check=False).returncode == 0
        assert unit.status()["link"] == ["wan0 had an MTU of 1500, the other port 9000: raised"]
        unit.wait_told("wan0 had an MTU of 1500")


def arriving(line, *tags):
    """Which of these come through: questions for a listed name and for another one, and a last datagram."""
    said = {"phish": question("phish.example"), "fine": question("fine.example"), "the end": b"the end"}
    command = line.wan.command(PYTHON, "-c", HEAR, *said)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hear:
        assert hear.stdout.readline() == "listening\n"
        line.lan.run(PYTHON, "-c", SEND, *(tagged(line, each, *tags).hex() for each in said.values()))
        return hear.stdout.read().splitlines()


@pytest.mark.root
def test_frames_in_one_tag_are_inspected_and_those_in_more_pass_and_are_counted(line, unit):
    """802.1Q and 802.1ad; below a second tag, or one older than 802.1ad, the kernel shows no rule what it forwards."""
    with unit.running():
        unit.wait_for_pack("1.0.0")
        for kind in (0x8100, 0x88A8):
            assert arriving(line, kind) == ["fine", "the end"]
        assert counted(unit) == 0
        for tags in ((0x88A8, 0x8100), (0x8100, 0x8100), (0x88A8, 0x88A8, 0x8100), (0x9100,)):
            assert arriving(line, *tags) == ["phish", "fine", "the end"]
        wait_until(lambda: counted(unit) == 12, seconds=9, what="twelve packets to be told")


def counted(unit):
    told = unit.status()["state"].get("uninspected", ())
    return sum(each["count"] for each in told if each["reason"] == Uninspected.WRAPPED)


@pytest.mark.root
def test_a_port_that_cannot_be_examined_is_told_and_no_more(tmp_path):
    said = examine("br0", ("no-such-port",), tmp_path)
    assert "MTUs cannot be read" in said[0]
    assert "offloads of no-such-port cannot be read" in said[1]
    assert "VLAN tag pass uninspected" in said[2]


@pytest.mark.root
def test_the_self_test_passes_through_every_worker(line, tmp_path):
    unit = Unit(line, tmp_path)
    unit.queues(3)
    unit.install_toy(PACK, version="1.0.0")
    with unit.in_force():
        wait_until(lambda: unit.status().get("self_test") == "passed", seconds=9, what="the self-test")
        assert unit.status()["state"]["neutralised"] == 0
        assert 0 < unit.status()["latency"] < 3.1


@pytest.mark.root
def test_a_self_test_that_fails_says_why(line, tmp_path):
    """The engine raises on the probe, as it would on any packet."""
    unit = Unit(line, tmp_path)
    unit.queues(2)
    unit.install_toy(PACK | {"fail": "omamori self-test"}, version="1.0.0")
    with unit.in_force():
        unit.wait_told("the self-test failed")
        told = unit.status()["self_test"]
        assert unit.status()["latency"] is None
        assert told == "failed: worker 1 did not take its packet, worker 2 did not take its packet"
