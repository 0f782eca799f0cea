"""Every packet that is stopped, or passes with less inspection than others, is counted by its reason; with real packets."""

import socket
import struct
import subprocess

import pytest

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, guarded_line, http_server, wait_until
from omamori.protocol.reasons import EXPLAINED, Dropped, Unfollowed, Uninspected
from tests.firmware.bridge.test_data_path import PACK, Unit
from tests.firmware.bridge.test_guarding import packed

pytestmark = pytest.mark.root

SEND = """
import socket, sys
where = (sys.argv[1], 0)
wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for packet in sys.argv[2:]: wire.sendto(bytes.fromhex(packet), where)
"""
SAY = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.bind(("", int(sys.argv[3])))
    one.sendto(sys.argv[2].encode(), (sys.argv[1], 9999))
"""
SINK = """
import socket, sys
server = socket.create_server((sys.argv[1], 4711))
print("listening", flush=True)
peer, _ = server.accept()
total = 0
while data := peer.recv(1 << 16): total += len(data)
print(total, flush=True)
"""
POUR = """
import os, socket, sys
with socket.create_connection((sys.argv[1], 4711), timeout=20) as one:
    for _ in range(40): one.sendall(b"\\x00\\x01\\x02" + os.urandom(1 << 16))
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    web = tmp_path_factory.mktemp("web")
    (web / "page").write_bytes(b"an ordinary page")
    with guarded_line("omarz") as line, http_server(line.wan, web, where="::", port=80):
        yield line


@pytest.fixture
def toy(line, tmp_path):
    unit = Unit(line, tmp_path)
    unit.install_toy(PACK, version="1.0.0")
    with unit.in_force():
        yield unit


@pytest.fixture
def product(line, tmp_path):
    unit = BridgeProcess(line, tmp_path / "unit")
    unit.log.parent.mkdir()
    unit.install(packed(tmp_path / "pack", "1.0.0", phishing=["phish.example"]), version="1.0.0")
    with unit.running():
        unit.wait_for_pack("1.0.0")
        yield unit


def counts(unit, kind):
    return by_reason(unit.status(), kind)


def by_reason(status, kind):
    """As the fleet is told."""
    return {each["reason"]: each["count"] for each in status["state"].get(kind, ())}


def wait_for(unit, kind, reason, *, least=1):
    wait_until(lambda: counts(unit, kind).get(reason, 0) >= least, seconds=30, what=f"{kind}: {reason}")


def segment(line, *, offset=5, payload=b"some payload", checksum=0x1234):
    """A TCP segment from the LAN host; its checksum is wrong but for one chance in 65,536."""
    source, destination = (socket.inet_aton(each) for each in (line.lan_address, line.wan_address))
    tcp = struct.pack("!HHIIBBHHH", 4000, 4001, 1, 1, offset << 4, 0x18, 512, checksum, 0) + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + source + destination + tcp


def send(line, *packets):
    line.lan.run(PYTHON, "-c", SEND, line.wan_address, *(packet.hex() for packet in packets))


def say(line, text, *, port):
    """From a port of one's own: what the kernel knows of an exchange outlives the test that had it."""
    line.lan.run(PYTHON, "-c", SAY, line.wan_address, text, port)


# --- passed


def test_what_is_no_valid_packet_passes_and_is_counted(line, product):
    before = counts(product, "uninspected").get(Uninspected.INVALID, 0)
    send(line, *[segment(line, offset=4)] * 3)
    wait_for(product, "uninspected", Uninspected.INVALID, least=before + 3)


def test_a_segment_with_a_wrong_checksum_passes_and_is_counted(line, product):
    send(line, *[segment(line)] * 4)
    wait_for(product, "uninspected", Uninspected.CHECKSUM, least=4)


def test_a_stream_that_nobody_knows_is_left_alone_after_a_while_and_counted(line, product):
    with subprocess.Popen(
        line.wan.command(PYTHON, "-c", SINK, line.wan_address), stdout=subprocess.PIPE, text=True
    ) as sink:
        assert sink.stdout.readline() == "listening\n"
        line.lan.run(PYTHON, "-c", POUR, line.wan_address)
        assert int(sink.stdout.read()) > 40 << 16
    wait_for(product, "unfollowed", Unfollowed.STREAM_LIMIT)


def test_a_packet_the_engine_fails_on_is_counted_and_the_sum_is_that_of_its_reasons(line, toy):
    say(line, "TOY-RAISES", port=4100)
    wait_for(toy, "uninspected", Uninspected.ENGINE_FAILED)
    status = toy.status()
    found = by_reason(status, "uninspected")
    nobody = (Uninspected.QUEUE_FULL, Uninspected.WAITED, Uninspected.NO_WORKER)
    assert status["state"]["bypassed"] == sum(found.get(reason, 0) for reason in nobody)


def test_a_flow_that_ended_a_worker_passes_from_then_on_and_is_counted(line, toy):
    say(line, "TOY-DIES", port=4200)
    toy.wait_told("that flow passes from now on", seconds=30)
    wait_until(lambda: toy.status()["state"]["workers"] == 1, seconds=30, what="another worker")
    say(line, "TOY-DIES", port=4200)
    wait_for(toy, "uninspected", Uninspected.EXEMPT)


# --- stopped


def test_what_the_kernel_stops_of_a_blocked_flow_is_counted(line, toy):
    """The toy resets nobody, so the client sends again what no worker sees any more."""
    url = f"http://{line.wan_address}/TOY-ATTACK"
    line.lan.run("curl", "-s", "-m", "3", url, check=False)
    wait_for(toy, "dropped", Dropped.KERNEL)
    found = counts(toy, "dropped")
    assert found["ips"] == 1
    assert toy.status()["drops"] == {"ips": 1}, "what workers dropped stays apart"


def test_every_word_is_explained():
    assert set(EXPLAINED) == {*Dropped, *Uninspected, *Unfollowed}
