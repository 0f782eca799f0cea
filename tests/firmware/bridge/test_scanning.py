"""Scans through the real kernel: handshakes are copied by its rules, told by the data-path process, and never stopped."""

import json
import os
import select
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bridge import BridgeProcess
from lab.namespaces import PYTHON, guarded_line, namespace, wait_until
from omamori.firmware.bridge.scanning import Unseen, datagram, knock
from omamori.protocol.messages import decode_body
from omamori.protocol.vocabulary import Action, Direction, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp

PROGRAM = """
import json, socket, sys
address, first, last, times = sys.argv[1], *map(int, sys.argv[2:])
answered = []
for _ in range(times):
    for port in range(first, last):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as one:
            one.settimeout(0.5)
            if one.connect_ex((address, port)) == 0:
                answered.append(port)
print(json.dumps(answered))
"""


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    """A unit without a pack: scans are seen before anything is inspected. Each test scans from an address of its own."""
    with guarded_line("omscn") as line:
        unit = BridgeProcess(line, tmp_path_factory.mktemp("unit"))
        with unit.running():
            wait_until(lambda: unit.status()["state"], seconds=20, what="the process")
            yield unit


def knocks(inside, address, first, last, times=1):
    done = inside.run(PYTHON, "-c", PROGRAM, address, str(first), str(last), str(times))
    return json.loads(done.stdout)


def told(unit, signature, source):
    def found():
        return [
            each
            for each in unit.detections()
            if (each.signature_id, each.source.address) == (signature, source)
        ]

    wait_until(found, seconds=20, what=signature)
    return found()[0]


@pytest.mark.root
def test_a_port_scan_and_password_guessing_from_outside(unit):
    line = unit.line
    listening = "import socket; s=socket.create_server(('', 22), backlog=200); [s.accept()[0].close() for _ in iter(int, 1)]"
    with line.lan.running(PYTHON, "-c", listening):
        wait_until(lambda: knocks(line.wan, line.lan_address, 22, 23), seconds=10, what="the server")
        assert knocks(line.wan, line.lan_address, 1, 60) == [22]
        scan = told(unit, "ips:port-scan", line.wan_address)
        assert (scan.direction, scan.severity, scan.action) == (
            Direction.INBOUND,
            Severity.ONE,
            Action.LOGGED,
        )
        assert scan.destination.address == line.lan_address
        assert knocks(line.wan, line.lan_address, 22, 23, times=30) == [22] * 30
        guessing = told(unit, "ips:password-guessing", line.wan_address)
        assert (guessing.destination.port, guessing.destination.address) == (22, line.lan_address)


@pytest.mark.root
def test_ordinary_clients_are_told_nothing_and_version_6_is_seen(unit):
    line = unit.line
    knocks(line.lan, line.wan_address, 1, 60)
    knocks(line.lan, line.wan_address6, 8000, 8010, times=5)
    knocks(line.wan, line.lan_address6, 1, 60)
    scan = told(unit, "ips:port-scan", line.wan_address6)
    assert scan.destination.address == line.lan_address6
    assert not {line.lan_address, line.lan_address6} & {each.source.address for each in unit.detections()}


PROBE = """
import socket, sys
address = sys.argv[1]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as one:
    one.bind(("", int(sys.argv[2])))
    for port in map(int, sys.argv[3:]):
        one.sendto(b"x", (address, port))
"""
ECHO = """
import selectors, socket, sys
chosen = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("", port))
    chosen.register(one, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in chosen.select(): key.fileobj.sendto(*key.fileobj.recvfrom(99))
"""


@pytest.mark.root
def test_a_sweep_of_udp_ports_from_outside_is_told_and_a_poller_is_not(unit):
    """The kernel of the host answers closed ports with ICMP errors, the first few; then with nothing."""
    line = unit.line
    poll = [str(port) for port in (161, 427, 3289, 8611) for _ in range(20)]
    line.wan.run(PYTHON, "-c", PROBE, line.lan_address, "41000", *poll)
    late = map(str, range(30_000, 30_060))
    line.wan.run(PYTHON, "-c", PROBE, line.lan_address, "53", *late)
    line.lan.run(PYTHON, "-c", PROBE, line.wan_address, "42000", *map(str, range(1, 200)))
    line.wan.run(PYTHON, "-c", PROBE, line.lan_address6, "43000", *map(str, range(1, 60)))
    scan = told(unit, "ips:udp-port-scan", line.wan_address6)
    assert (scan.protocol, scan.direction, scan.severity, scan.action) == (
        "udp",
        Direction.INBOUND,
        Severity.ONE,
        Action.LOGGED,
    )
    assert scan.destination.address == line.lan_address6
    others = [each.source.address for each in unit.detections() if each.signature_id == "ips:udp-port-scan"]
    assert others == [line.wan_address6]
    scan = told_beside_answers(unit)
    assert int(scan.reason.split()[0]) < 60 + 4, "poller's ports count, those that answered do not"


def told_beside_answers(unit):
    """Thirty ports answer and twice as many do not; the same kernel rules see all of them."""
    line, ports = unit.line, range(2000, 2030)
    command = line.lan.command(PYTHON, "-c", ECHO, *map(str, ports))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            line.wan.run(PYTHON, "-c", PROBE, line.lan_address, "44000", *map(str, ports))
            line.wan.run(PYTHON, "-c", PROBE, line.lan_address, "45000", *map(str, range(1, 60)))
            return told(unit, "ips:udp-port-scan", line.wan_address)
        finally:
            server.kill()


@pytest.mark.root
def test_a_fault_is_said_once_and_stops_nothing():
    program = """
import socket, sys
from omamori.firmware.bridge.scanning import ScanWatch
from omamori.firmware.bridge.wiring import Wiring
from omamori.protocol.messages import decode_body
watch = ScanWatch(Wiring("br0", "wan0", "lan0", 2, 3), 61)
assert watch.work() == []
watch.close()
(said,) = watch.work()
print(decode_body(said).text)
assert watch.work() == ()
"""
    with namespace(f"omscf-{os.getpid()}") as inside:
        assert "scans are no longer seen" in inside.run(PYTHON, "-c", program).stdout


def test_a_kernel_without_a_log_group_is_said_once():
    unseen = Unseen(OSError("no such group"))
    (said,) = unseen.work()
    assert "scans are not seen: no such group" in decode_body(said).text
    assert unseen.work() == []
    assert not select.select([unseen], [], [], 0)[0]
    unseen.close()


def test_both_ways_of_a_handshake_name_the_same_client():
    talk = Tcp(server_port=443)
    asks, answers, _ = talk.handshake()
    one, is_answer = knock(asks, from_inside=True)
    other, is_other_answer = knock(answers, from_inside=False)
    assert one == other
    assert (is_answer, is_other_answer) == (False, True)
    assert (one.port, one.from_inside, len(one.client)) == (443, True, 4)
    talk = Tcp(client="fd00::1", server="2001:db8::1")
    assert knock(talk.handshake()[0], from_inside=True)[0].port == 80
    assert PC != SITE


@settings(max_examples=200)
@given(st.binary(max_size=100), st.booleans(), st.sampled_from([b"", b"\x45", b"\x60"]))
def test_any_bytes_are_survived(raw, inside, begin):
    read = (knock(begin + raw, from_inside=inside), datagram(begin + raw, from_inside=inside, answers=inside))
    for found in read:
        if found is not None:
            assert len(found[0].client) == len(found[0].server)
