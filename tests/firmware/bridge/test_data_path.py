"""The data path for real: two hosts, a bridge between them, the kernel's queues, and processes that die.

Only the inspector is a toy (toy_bridge.py); what it is given and what becomes of its verdicts is the product.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.bridge import BridgeProcess, fetch
from lab.namespaces import guarded_line, http_server, wait_until

pytestmark = pytest.mark.root

TOY = Path(__file__).with_name("toy_bridge.py")
PACK = {
    "version": "1.0.0",
    "block": "TOY-ATTACK",
    "overwrite": "TOY-MALWARE",
    "decide": "TOY-DECIDED",
    "fail": "TOY-RAISES",
    "hang": "TOY-HANGS",
    "die": "TOY-DIES",
}
BIG = 50_000_000


@pytest.fixture(scope="module")
def content():
    return random.Random(7).randbytes(BIG)


@pytest.fixture(scope="module")
def line(tmp_path_factory, content):
    web = tmp_path_factory.mktemp("web")
    (web / "page").write_bytes(b"an ordinary page")
    (web / "big").write_bytes(content)
    (web / "malware").write_bytes(content[:700_000] + b"TOY-MALWARE" + content[:700_000])
    (web / "decided").write_bytes(b"TOY-DECIDED" + content[:300_000] + b"TOY-MALWARE")
    with guarded_line("omabr") as line, http_server(line.wan, web, where="::", port=80):
        yield line


class Unit(BridgeProcess):
    """The toy bridge, with packs that are JSON."""

    def __init__(self, line, root):
        super().__init__(line, root, command=(sys.executable, TOY))

    def queues(self, count, *, kernel=0.0):
        """Use so many workers, and kernel tools that take so many seconds; before it is started."""
        self._command = (*self._command, str(count), str(kernel))

    def install_toy(self, pack, *, version):
        self.install(json.dumps({**pack, "version": version}).encode(), version=version)

    @contextmanager
    def in_force(self, version="1.0.0"):
        with self.running():
            self.wait_for_pack(version)
            yield self


@pytest.fixture
def unit(line, tmp_path):
    unit = Unit(line, tmp_path)
    unit.install_toy(PACK, version="1.0.0")
    with unit.in_force():
        yield unit


def digest(raw):
    return hashlib.sha256(raw).hexdigest() if raw is not None else None


@pytest.mark.parametrize("where", ["192.168.77.1", "[fd77::1]"])
def test_a_large_download_arrives_intact_and_was_inspected(unit, content, where):
    assert digest(fetch(unit.line, "big", where=where)) == digest(content)
    wait_until(lambda: unit.status()["state"]["packets"] > 700, seconds=5, what="the packets to be counted")


@pytest.mark.parametrize("where", ["192.168.77.1", "[fd77::1]"])
def test_a_blocked_flow_ends_and_others_go_on(unit, where):
    assert fetch(unit.line, "TOY-ATTACK", where=where, seconds=1) is None
    assert fetch(unit.line, "page", where=where) == b"an ordinary page"
    unit.wait_told("blocked, from inside: True")
    assert unit.status()["state"]["blocked"] == 1


def test_the_direction_is_that_of_the_port_a_packet_came_in_by(unit):
    with unit.line.lan.running(sys.executable, "-m", "http.server", "8080", "--bind", unit.line.lan_address):
        url = f"http://{unit.line.lan_address}:8080/TOY-ATTACK"
        listening = unit.line.lan.command("ss", "-Hltn", "sport", "=", ":8080")
        wait_until(lambda: subprocess.check_output(listening), seconds=5, what="the server to listen")
        assert unit.line.wan.run("curl", "-s", "-m", "1", url, check=False).returncode != 0
    unit.wait_told("blocked, from inside: False")


@pytest.mark.parametrize("where", ["192.168.77.1", "[fd77::1]"])
def test_malware_is_overwritten_and_every_other_byte_arrives(unit, content, where):
    expected = content[:700_000] + b"#" * len(b"TOY-MALWARE") + content[:700_000]
    assert digest(fetch(unit.line, "malware", where=where)) == digest(expected)
    wait_until(
        lambda: unit.status()["state"]["neutralised"] >= 1, seconds=5, what="the rewriting to be counted"
    )


def test_a_decided_flow_stays_in_the_kernel(unit, content):
    body = fetch(unit.line, "decided")
    assert body == b"TOY-DECIDED" + content[:300_000] + b"TOY-MALWARE"


def test_bare_acknowledgements_never_leave_the_kernel(unit):
    fetch(unit.line, "big")
    chain = unit.line.unit.run("iptables", "-t", "mangle", "-nvxL", "OMAMORI").stdout
    accepted = next(int(row.split()[0]) for row in chain.splitlines() if "match bpf" in row)
    assert accepted > 100


def test_datagrams_pass_and_are_inspected(unit):
    line = unit.line
    program = "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind((sys.argv[1],5353)); print(s.recv(99).decode(),flush=True)"
    with subprocess.Popen(
        line.wan.command(sys.executable, "-c", program, line.wan_address), stdout=subprocess.PIPE
    ) as receiver:
        bound = line.wan.command("ss", "-Hlun", "sport", "=", ":5353")
        wait_until(lambda: subprocess.check_output(bound), seconds=5, what="the receiver")
        send = "import socket,sys; socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(sys.argv[2].encode(),(sys.argv[1],5353))"
        line.lan.run(sys.executable, "-c", send, line.wan_address, "TOY-ATTACK")
        line.lan.run(sys.executable, "-c", send, line.wan_address, "harmless")
        assert receiver.communicate(timeout=10)[0] == b"harmless\n"


def test_a_packet_the_inspector_fails_on_passes(unit):
    assert b"404" in fetch(unit.line, "TOY-RAISES")
    unit.wait_told("the engine failed on a packet")


def test_traffic_passes_within_a_second_of_a_workers_death_and_inspection_returns(unit):
    before = unit.workers().get("serving")
    os.kill(before, signal.SIGKILL)
    assert fetch(unit.line, "page", seconds=1) == b"an ordinary page"
    unit.wait_told("traffic passed uninspected")
    unit.wait_told("signal 9")
    wait_until(
        lambda: unit.status()["pack"] and unit.workers().get("serving") != before,
        seconds=5,
        what="a new worker",
    )
    assert fetch(unit.line, "TOY-ATTACK", seconds=1) is None


def test_a_packet_that_kills_its_worker_kills_no_other_and_its_flow_passes(unit):
    assert b"404" in fetch(unit.line, "TOY-DIES", seconds=9)
    unit.wait_told("ended it; that flow passes from now on")
    unit.wait_told("signal 9")
    told = [body.text for body in unit.spooled() if "signal 9" in getattr(body, "text", "")]
    assert len(told) == 1
    assert fetch(unit.line, "TOY-ATTACK", seconds=1) is None


def test_a_worker_that_hangs_is_killed_and_traffic_goes_on(unit):
    fetch(unit.line, "TOY-HANGS", seconds=3)
    unit.wait_told("gave no sign of life")
    assert fetch(unit.line, "page") == b"an ordinary page"


def test_traffic_passes_when_the_supervisor_is_killed_and_its_worker_ends(unit):
    worker = unit.workers().get("serving")
    assert fetch(unit.line, "TOY-ATTACK", seconds=1) is None
    unit.process.kill()
    unit.process.wait()
    assert fetch(unit.line, "page", seconds=1) == b"an ordinary page"
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), seconds=3, what="the orphan to end")
    assert b"404" in fetch(unit.line, "TOY-ATTACK")


def test_after_a_stop_what_was_blocked_stays_blocked_and_the_rest_passes(unit):
    line = unit.line
    with echo(line), conversation(line) as bad, conversation(line) as good:
        assert (bad("hello"), good("hello")) == ("hello", "hello")
        assert bad("TOY-ATTACK") == ""
        unit.process.terminate()
        assert unit.process.wait(10) == 0
        assert (bad("hello"), good("hello")) == ("", "hello")
    assert b"404" in fetch(line, "TOY-ATTACK")


ECHO = """
import socket, sys, threading
def serve(peer):
    while data := peer.recv(65536): peer.sendall(data)
server = socket.create_server((sys.argv[1], 7777))
while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
TALK = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 7777)); peer.settimeout(0.7)
for text in sys.stdin:
    peer.sendall(text.encode())
    try: print(peer.recv(9999).decode().strip(), flush=True)
    except TimeoutError: print(flush=True)
"""


@contextmanager
def echo(line):
    with line.wan.running(sys.executable, "-c", ECHO, line.wan_address):
        listening = line.wan.command("ss", "-Hltn", "sport", "=", ":7777")
        wait_until(lambda: subprocess.check_output(listening), seconds=5, what="the echo")
        yield


@contextmanager
def conversation(line):
    """A TCP connection of the LAN host to the echo: say(text) gives what came back, empty when nothing did in time."""
    command = line.lan.command(sys.executable, "-c", TALK, line.wan_address)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def say(text):
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        try:
            yield say
        finally:
            process.kill()


def test_a_new_pack_takes_over_during_a_download_that_loses_nothing(unit, content):
    command = unit.line.lan.command(
        "curl", "-s", "-m", "30", "--limit-rate", "20M", f"http://{unit.line.wan_address}/big"
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE) as download:
        begun = download.stdout.read(5_000_000)
        unit.install_toy({**PACK, "block": "NEW-ATTACK"}, version="1.0.1")
        unit.wait_for_pack("1.0.1")
        assert fetch(unit.line, "NEW-ATTACK", seconds=1) is None
        assert b"404" in fetch(unit.line, "TOY-ATTACK")
        assert download.poll() is None
        assert digest(begun + download.stdout.read()) == digest(content)
        assert download.wait(5) == 0
    assert unit.status()["state"]["bypassed"] == 0


def test_a_flow_stays_with_the_worker_that_began_it(unit):
    with echo(unit.line), conversation(unit.line) as old, conversation(unit.line) as other:
        assert (old("hello"), other("hello")) == ("hello", "hello")
        unit.install_toy({**PACK, "block": "NEW-ATTACK"}, version="1.0.1")
        unit.wait_for_pack("1.0.1")
        with conversation(unit.line) as new:
            assert (old("NEW-ATTACK"), old("TOY-ATTACK")) == ("NEW-ATTACK", "")
            assert (new("TOY-ATTACK"), new("NEW-ATTACK")) == ("TOY-ATTACK", "")
        assert set(unit.workers()) == {"serving", "draining"}
        wait_until(lambda: set(unit.workers()) == {"serving"}, seconds=10, what="the old worker to be done")
        assert (other("hello"), other("NEW-ATTACK")) == ("hello", "")


def test_a_pack_that_cannot_be_loaded_leaves_the_one_before_in_force(unit):
    unit.install_toy({**PACK, "broken": True}, version="1.0.1")
    unit.wait_told("1.0.0 stays in force")
    wait_until(lambda: "1.0.1" in unit.status()["refused"], seconds=10, what="the status to say why")
    assert fetch(unit.line, "TOY-ATTACK", seconds=1) is None
    assert unit.status()["pack"] == "1.0.0"
    unit.install_toy(PACK, version="1.0.2")
    unit.wait_for_pack("1.0.2")


def test_swaps_in_quick_succession_end_with_the_last(unit):
    for minor in range(1, 6):
        before = unit.status().get("time")
        unit.install_toy(PACK, version=f"1.{minor}.0")
        wait_until(lambda before=before: unit.status().get("time") != before, seconds=10, what="a round")
    unit.wait_for_pack("1.5.0")
    assert fetch(unit.line, "page") == b"an ordinary page"


def test_a_current_pack_that_is_broken_at_start_gives_way_to_the_factory_pack(line, tmp_path):
    unit = Unit(line, tmp_path)
    unit.install_toy({"broken": True}, version="2.0.0")
    unit.paths.factory_pack.parent.mkdir(parents=True)
    unit.paths.factory_pack.write_text(json.dumps({**PACK, "version": "0.9.0"}))
    with unit.in_force("0.9.0"):
        unit.wait_told("cannot be used")


def test_a_pack_whose_worker_keeps_crashing_gives_way_to_the_factory_pack(unit):
    unit.paths.factory_pack.parent.mkdir(parents=True)
    unit.paths.factory_pack.write_text(json.dumps({**PACK, "version": "0.9.0"}))
    for deaths in range(1, 4):
        wait_until(lambda: unit.status()["pack"], seconds=5, what="a worker")
        killed = unit.workers().get("serving")
        os.kill(killed, signal.SIGKILL)
        unit.wait_told("signal 9", times=deaths)
        wait_until(
            lambda killed=killed: unit.workers().get("serving") != killed, seconds=10, what="the next status"
        )
    unit.wait_for_pack("0.9.0")


def test_without_any_pack_traffic_passes(line, tmp_path):
    unit = Unit(line, tmp_path)
    with line.unit.running(sys.executable, TOY, tmp_path, log=unit.log):
        wait_until(unit.paths.bridge_status.exists, seconds=10, what="the status file")
        assert fetch(line, "page") == b"an ordinary page"
        assert unit.status()["state"]["workers"] == 0


def test_two_processes_never_share_queues_and_the_second_says_so(unit, tmp_path):
    other = Unit(unit.line, tmp_path / "other")
    other.install_toy(PACK, version="1.0.0")
    with unit.line.unit.running(sys.executable, TOY, other.paths.root, log=other.paths.root / "log"):
        other.wait_told("queues cannot be had")
    assert fetch(unit.line, "page") == b"an ordinary page"
