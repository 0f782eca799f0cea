"""A flood of datagrams beside everything else: it passes, stops nothing, is told, and lets no attack slip by."""

import subprocess
import sys

import pytest

from lab.namespaces import PYTHON, guarded_line, http_server, wait_until
from tests.firmware.bridge.test_data_path import PACK, Unit

pytestmark = pytest.mark.root

ATTACKS = 40
FLOODED = "\x06]C"
"""In each datagram of `lab.bench.flood`."""
LISTEN = """
import socket, sys
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind((sys.argv[1], 53))
print("bound", flush=True)
while True: print(names.recv(99).decode(), flush=True)
"""
ASK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
    for text in sys.argv[2:]: asker.sendto(text.encode(), (sys.argv[1], 53))
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    web = tmp_path_factory.mktemp("web")
    (web / "page").write_bytes(b"an ordinary page")
    with guarded_line("omafl") as line, http_server(line.wan, web, where="::", port=80):
        yield line


@pytest.fixture
def unit(line, tmp_path):
    """Every datagram of the flood takes the inspector a millisecond: fifty times what it has time for."""
    unit = Unit(line, tmp_path)
    unit.install_toy({**PACK, "toil": FLOODED}, version="1.0.0")
    with unit.in_force():
        yield unit


def test_no_attack_and_no_name_passes_beside_a_flood_that_passes(unit):
    line = unit.line
    listener = subprocess.Popen(line.wan.command(sys.executable, "-c", LISTEN, line.wan_address), stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert listener.stdout.readline() == "bound\n"
        with line.lan.running(PYTHON, "-m", "lab.bench.flood", line.wan_address, "30000"):
            wait_until(
                lambda: uninspected(unit).get("datagrams", 0) > 20_000, seconds=50, what="too much of a flood"
            )
            assert answers(line, f"TOY-ATTACK?[1-{ATTACKS}]") == ["000"] * ATTACKS
            for number in range(5):
                ask(line, "TOY-ATTACK", f"name {number}")
                assert listener.stdout.readline() == f"name {number}\n"
            assert answers(line, "page") == ["200"]
    finally:
        listener.kill()
        listener.communicate()
    assert arrived(line) > 20_000
    assert set(uninspected(unit)) == {"datagrams"}
    unit.wait_told("(overloaded: datagrams; ")
    gaps = unit.status()["gaps"]
    assert gaps["packets"] > 20_000
    state = unit.status()["state"]
    assert state["bypassed"] >= gaps["packets"]
    found = {each["reason"]: each["count"] for each in state["uninspected"]}
    assert found.get("queue full", 0) + found.get("waited too long", 0) > 20_000


def uninspected(unit):
    return unit.status().get("uninspected", {})


def answers(line, path):
    """Status codes over HTTP, all asked for at once; 000 where none came."""
    command = (
        "curl",
        "-s",
        "-Z",
        "--parallel-max",
        f"{ATTACKS}",
        "-m",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}\\n",
    )
    return line.lan.run(*command, f"http://{line.wan_address}/{path}", check=False).stdout.split()


def arrived(line):
    """Datagrams to ports where nobody listens."""
    names, values = (
        row.split() for row in line.wan.run("grep", "^Udp:", "/proc/net/snmp").stdout.splitlines()
    )
    return int(values[names.index("NoPorts")])


def ask(line, *texts):
    line.lan.run(sys.executable, "-c", ASK, line.wan_address, *texts)
