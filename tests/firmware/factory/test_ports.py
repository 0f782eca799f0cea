"""The ports' check in namespaces of their own: cables that are missing, lead elsewhere, or change what they carry."""

import json
import subprocess
import sys
import uuid

import pytest

from lab import namespaces
from tests.firmware.factory.bench_unit import good, put

pytestmark = pytest.mark.root
PROGRAM = """
import json, sys
from pathlib import Path
from omamori.firmware.factory import ports
found = ports.check(Path(sys.argv[1]), patience=float(sys.argv[2]), wait=float(sys.argv[3]))
print(json.dumps({line.check: [line.outcome, line.detail] for line in found}))
"""
# Hands frames from one port to another, and turns a bit in the last byte of every one.
RELAY = """
import socket, sys, threading
opened = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in range(2)]
for each, port in zip(opened, sys.argv[1:]):
    each.bind((port, 3))
def hand(one, other):
    while True:
        frame, address = one.recvfrom(65535)
        if address[2] != 4:
            other.send(frame[:-1] + bytes([frame[-1] ^ 1]))
threading.Thread(target=hand, args=opened, daemon=True).start()
print("ready", flush=True)
hand(*opened[::-1])
"""


@pytest.fixture
def root(tmp_path):
    return good(tmp_path).root


@pytest.fixture
def inside():
    with namespaces.namespace(f"factory-{uuid.uuid4().hex[:8]}") as made:
        yield made


def pair(inside, one, other):
    inside.run("ip", "link", "add", one, "type", "veth", "peer", "name", other)
    for port in (one, other):
        inside.run("ip", "link", "set", port, "up")


def check(inside, root, *, patience=30.0, wait=20.0):
    done = inside.run(sys.executable, "-c", PROGRAM, root, str(patience), str(wait), timeout=90)
    return json.loads(done.stdout)


def test_a_cable_that_is_missing_fails(inside, root):
    pair(inside, "wan0", "elsewhere")
    pair(inside, "lan0", "nowhere")
    inside.run("ip", "link", "set", "nowhere", "down")
    found = check(inside, root, patience=0.5, wait=0.1)
    assert found["link wan0"][0] == "PASS"
    assert found["link lan0"] == ["FAIL", "no link: is the cable in both ports?"]
    assert found["frames wan0 to lan0"][0] == found["frames lan0 to wan0"][0] == "FAIL"


def test_a_port_that_is_missing_fails(inside, root):
    pair(inside, "wan0", "elsewhere")
    found = check(inside, root)
    assert "no such port" in found["link lan0"][1]
    assert {found[name][0] for name in ("link lan0", "frames wan0 to lan0", "frames lan0 to wan0")} == {
        "FAIL"
    }


def test_frames_that_do_not_arrive_fail(inside, root):
    """Both links are up, but lead elsewhere."""
    pair(inside, "wan0", "elsewhere")
    pair(inside, "lan0", "nowhere")
    found = check(inside, root, wait=0.1)
    assert found["link wan0"][0] == found["link lan0"][0] == "PASS"
    assert found["frames wan0 to lan0"] == found["frames lan0 to wan0"] == ["FAIL", "0 of 4 arrived"]


def test_frames_that_are_changed_on_the_way_fail(inside, root):
    pair(inside, "wan0", "left")
    pair(inside, "lan0", "right")
    with subprocess.Popen(
        inside.command(sys.executable, "-c", RELAY, "left", "right"), stdout=subprocess.PIPE
    ) as relay:
        try:
            assert relay.stdout.readline() == b"ready\n"
            found = check(inside, root)
        finally:
            relay.kill()
    for line in ("frames wan0 to lan0", "frames lan0 to wan0"):
        assert found[line] == ["FAIL", "0 of 4 arrived, 4 changed on the way"]


def test_a_slow_link_and_counted_errors_fail(inside, root):
    pair(inside, "wan0", "lan0")
    put(root / "sys/class/net/wan0/speed", "100\n")
    put(root / "sys/class/net/lan0/speed", "-1\n")
    errors = root / "sys/class/net/lan0/statistics/rx_crc_errors"
    errors.parent.mkdir()
    errors.symlink_to("/sys/class/net/lan0/statistics/rx_packets")  # a counter that grows for certain
    found = check(inside, root)
    assert found["link wan0"] == ["FAIL", "up, 100 Mbit/s, not 1000"]
    assert found["link lan0"] == ["PASS", "up, speed not told"]
    assert found["frame errors"][0] == "FAIL"
    assert "rx_crc_errors on lan0" in found["frame errors"][1]
    assert found["frames wan0 to lan0"] == ["PASS", "64 of 64 arrived"]
