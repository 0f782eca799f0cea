"""Several workers: who inspects what, and what happens to the traffic of one that dies, hangs or is given too much."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.namespaces import guarded_line, http_server, ip, wait_until
from omamori.firmware.bridge.gaps import Gaps
from omamori.protocol.messages import Log
from tests.firmware.bridge.test_data_path import PACK, Unit, conversation, digest, echo

pytestmark = pytest.mark.root

ADDRESSES = [f"192.168.77.{last}" for last in range(11, 27)]
"""Of the LAN host: with any initial value of the kernel's hash, they all fall to one of two workers once in 32,768 times."""
DRAG = 0.1
"""Seconds that the toy takes for one dragging packet."""


@pytest.fixture(scope="module")
def content():
    return os.urandom(20_000_000)


NO_ERRORS = "add table ip quiet; add chain ip quiet in { type filter hook input priority 0; }; add rule ip quiet in udp dport 9999 drop"
"""An ICMP error quotes the datagram that it answers, and would cost the worker that sees it the same again."""


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def line(web, content):
    (web / "page").write_bytes(b"an ordinary page")
    (web / "big").write_bytes(content)
    with guarded_line("omawk") as line, http_server(line.wan, web, where="::", port=80):
        for address in ADDRESSES:
            ip("-n", line.lan.name, "address", "add", f"{address}/24", "dev", "eth0")
        line.wan.run("nft", NO_ERRORS)
        yield line


@pytest.fixture
def unit(line, tmp_path):
    unit = Unit(line, tmp_path)
    unit.queues(2)
    unit.install_toy(
        {**PACK, "drag": "TOY-DRAGS", "hoard": "TOY-HOARDS", "leak": "TOY-LEAKS"}, version="1.0.0"
    )
    with unit.in_force():
        yield unit


def fetch_from(unit, address, path="page", *, seconds=9):
    command = unit.line.lan.command(
        "curl", "-s", "-m", f"{seconds}", "--interface", address, f"http://{unit.line.wan_address}/{path}"
    )
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def packets(unit):
    """By worker, once three more statuses were written: workers tell their counts five times a second."""
    for _ in range(3):
        before = unit.status().get("time")
        wait_until(lambda before=before: unit.status().get("time") != before, seconds=10, what="a status")
    return [worker["packets"] for worker in sorted(unit.status()["workers"], key=lambda one: one["index"])]


def who(unit, address):
    """Which worker inspects this address: the only one that counts a page asked for ten times, question and answer.

    Asked again where a busy machine let packets by uninspected.
    """
    for _ in range(8):
        before = packets(unit)
        assert fetch_from(unit, address, "page?[1-10]") == b"an ordinary page" * 10
        pairs = zip(before, packets(unit), strict=True)
        grown = [index for index, (old, new) in enumerate(pairs) if new >= old + 20]
        assert len(grown) <= 1
        if grown:
            return grown[0]
    raise AssertionError(f"no worker inspects {address}")


def one_of_each(unit):
    """An address for each worker."""
    found = {}
    for address in ADDRESSES:
        found.setdefault(who(unit, address), address)
        if len(found) == 2:
            return found
    raise AssertionError("all addresses fell to one worker")


def test_both_directions_of_a_pair_of_hosts_are_one_workers(unit):
    found = one_of_each(unit)
    assert sorted(found) == [0, 1]
    assert [who(unit, found[index]) for index in (0, 1)] == [0, 1]
    assert unit.status()["state"]["workers"] == 2


def test_the_death_of_one_does_not_touch_the_other_and_it_is_replaced(unit, content):
    found, pids = one_of_each(unit), unit.workers()
    downloads = [
        subprocess.Popen(
            unit.line.lan.command("curl", "-s", "-m", "30", "--limit-rate", "8M", "--interface", found[index],
                                  f"http://{unit.line.wan_address}/big"),
            stdout=subprocess.PIPE,
        )
        for index in (0, 1)
    ]  # fmt: skip
    begun = [download.stdout.read(1_000_000) for download in downloads]
    os.kill(pids["serving"], signal.SIGKILL)
    assert fetch_from(unit, found[0]) == b"an ordinary page"
    unit.wait_told("queue 1 of 2")
    unit.wait_told("signal 9")
    wait_until(
        lambda: len(unit.workers()) == 2 and unit.workers()["serving"] != pids["serving"],
        seconds=9,
        what="a new one",
    )
    assert unit.workers()["serving-1"] == pids["serving-1"]
    for already, download in zip(begun, downloads, strict=True):
        assert digest(already + download.communicate()[0]) == digest(content)
    unit.wait_told("traffic passed uninspected for")
    assert fetch_from(unit, found[0], "TOY-ATTACK", seconds=1) is None
    assert unit.status()["gaps"]["count"] >= 1


def test_a_packet_that_hangs_its_worker_holds_up_no_one_elses(unit):
    found = one_of_each(unit)
    hung = subprocess.Popen(
        unit.line.lan.command(
            "curl", "-s", "-m", "9", "--interface", found[0], f"http://{unit.line.wan_address}/TOY-HANGS"
        )
    )
    try:
        for _ in range(5):
            assert fetch_from(unit, found[1]) == b"an ordinary page"
        unit.wait_told("gave no sign of life")
        assert fetch_from(unit, found[0]) == b"an ordinary page"
    finally:
        hung.kill()
        hung.wait()


def test_what_waits_too_long_for_inspection_passes(unit):
    """Two minutes' worth of slow packets at once; a page asked for behind them comes within seconds, and all is told."""
    flood = "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind((sys.argv[2],0))\nfor _ in range(1200): s.sendto(b'TOY-DRAGS',(sys.argv[1],9999))"
    unit.line.lan.run(sys.executable, "-c", flood, unit.line.wan_address, ADDRESSES[0])
    command = ("ping", "-c", "1", "-W", "9", "-I", ADDRESSES[0], unit.line.wan_address)
    assert unit.line.lan.run(*command, check=False).returncode == 0
    assert fetch_from(unit, ADDRESSES[0], seconds=9) == b"an ordinary page"
    unit.wait_told("packets that waited too long pass uninspected")
    unit.wait_told("some passed without the toy")
    wait_until(
        lambda: sum(one["shed"] for one in unit.status()["workers"]) > 900, seconds=9, what="the count"
    )
    state = unit.status()["state"]
    assert state["bypassed"] > 900
    assert {each["reason"]: each["count"] for each in state["uninspected"]}["waited too long"] > 900
    assert fetch_from(unit, ADDRESSES[0], "TOY-ATTACK", seconds=1) is None


def test_what_is_to_be_overwritten_never_passes_as_it_is_however_long_it_waits(unit, web):
    """Ten segments at first and ever more at once, a tenth of a second each: most wait for half a second, some for two."""
    (web / "slow").write_bytes(b"TOY-MALWARE, TOY-DRAGS, and so on. " * 4000)
    got = fetch_from(unit, ADDRESSES[0], "slow", seconds=90)
    assert len(got) == 140_000
    cut_in_two = len(got) // 1400
    assert got.count(b"TOY-MALWARE") <= cut_in_two
    assert got.count(b"#") >= 11 * (4000 - cut_in_two)
    dropped = {each["reason"]: each["count"] for each in unit.status()["state"]["dropped"]}
    assert dropped["waited too long in malware"] > 0


def test_when_the_nursery_dies_its_workers_go_on_until_others_take_over(unit):
    before = unit.workers()
    nursery = int(Path(f"/proc/{before['serving']}/stat").read_text().split()[3])
    with echo(unit.line), conversation(unit.line) as old:
        assert old("hello") == "hello"
        os.kill(nursery, signal.SIGKILL)
        wait_until(
            lambda: (
                not set(before.values()) & {unit.workers().get("serving"), unit.workers().get("serving-1")}
            ),
            seconds=9,
            what="others",
        )
        assert old("hello") == "hello"
        assert old("TOY-ATTACK") == ""
    assert unit.status()["state"]["bypassed"] == 0


def test_workers_are_not_taken_for_hanging_while_their_supervisor_is_busy(line, tmp_path):
    """A swap whose rules take the kernel's tools thrice as long as a worker may be silent; what idle workers said meanwhile counts."""
    unit = Unit(line, tmp_path)
    unit.queues(2, kernel=2.0)
    unit.install_toy(PACK, version="1.0.0")
    with unit.in_force():
        fetch_from(unit, ADDRESSES[0])
        unit.install_toy(PACK, version="1.0.1")
        unit.wait_for_pack("1.0.1")
        wait_until(
            lambda: set(unit.workers()) == {"serving", "serving-1"}, seconds=60, what="the old ones to end"
        )
        told = " ".join(body.text for body in unit.spooled() if isinstance(body, Log))
    assert "in force" in told
    assert "no sign of life" not in told
    assert unit.status()["gaps"]["count"] == 1, "the time before the first pack"


def test_the_start_passed_uninspected_from_when_the_ports_forwarded_and_that_is_told_once(line, tmp_path):
    unit = Unit(line, tmp_path)
    unit.install_toy(PACK, version="1.0.0")
    unit.paths.forwarding.parent.mkdir(parents=True, exist_ok=True)
    unit.paths.forwarding.write_text(f"{time.monotonic() - 100:.2f}\n")
    counted = []
    for count in (2, 1):
        with unit.in_force():
            wait_until(lambda n=count: unit.status()["gaps"]["count"] == n, seconds=9, what="the start")
            counted.append(unit.status()["gaps"]["seconds"])
    assert counted[0] >= 100
    assert counted[1] < 100
    told = [body.text for body in unit.spooled() if isinstance(body, Log) and "uninspected" in body.text]
    assert told[0].startswith("traffic passed uninspected for 10"), told[0]
    assert "packets" not in told[0], "there were no rules that count"
    assert len(told) == 3


@pytest.mark.parametrize("content", ["", "soon", "nan", "-3", "inf", "1e300", "9" * 99])
def test_a_damaged_word_of_the_initrd_is_none(tmp_path, content):
    left = tmp_path / "forwards"
    left.write_text(content)
    assert Gaps(lambda: 0).before(left) is None


def test_everything_ends_with_the_supervisor(unit):
    workers = unit.workers()
    nursery = int(Path(f"/proc/{workers['serving']}/stat").read_text().split()[3])
    unit.process.kill()
    unit.process.wait()
    for pid in (*workers.values(), nursery):
        wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), seconds=9, what=f"{pid} to end")
    assert fetch_from(unit, ADDRESSES[0], "page") == b"an ordinary page"


def hoard(unit, word, *, times):
    """Each packet with this word costs the worker 8 MB, of 32 that it may have."""
    send = "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind((sys.argv[2],0))\nfor _ in range(int(sys.argv[4])): s.sendto(sys.argv[3].encode(),(sys.argv[1],9999))"
    unit.line.lan.run(sys.executable, "-c", send, unit.line.wan_address, ADDRESSES[0], word, str(times))


def test_a_worker_that_is_short_of_memory_forgets_flows(unit):
    before = unit.workers()
    hoard(unit, "TOY-HOARDS", times=5)
    unit.wait_told("short of memory: idle flows are forgotten")
    assert fetch_from(unit, ADDRESSES[0]) == b"an ordinary page"
    assert unit.workers() == before


def renewed(now, before):
    """Two workers again, one of them new."""
    return len(now) == 2 and len(set(now.values()) - set(before.values())) == 1


def test_a_worker_whose_memory_cannot_be_freed_is_replaced(unit):
    before = unit.workers()
    hoard(unit, "TOY-LEAKS", times=8)
    unit.wait_told("has used up its memory")
    wait_until(lambda: renewed(unit.workers(), before), seconds=20, what="a new one")
    assert fetch_from(unit, ADDRESSES[0]) == b"an ordinary page"
    assert unit.status()["pack"] == "1.0.0"


OVERLOAD = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind((sys.argv[2], 0))
for number in range(800):  # forty seconds; the worker needs a tenth of a second for each
    sender.sendto(b"TOY-LEAKS TOY-DRAGS" if number < 30 else b"TOY-DRAGS", (sys.argv[1], 9999))
    time.sleep(0.05)
"""
"""Twice as much as one worker can inspect, at a steady pace; the first ones leak."""


def test_it_makes_room_under_constant_load_too(unit):
    """Its queue is never empty: were it to inspect what waits, it would never end."""
    before = unit.workers()
    words = (sys.executable, "-c", OVERLOAD, unit.line.wan_address, ADDRESSES[0])
    with unit.line.lan.running(*words) as load:
        unit.wait_told("has used up its memory")
        wait_until(lambda: renewed(unit.workers(), before), seconds=9, what="a new one")
        assert load.poll() is None, "the load was there all the time"
    unit.wait_told("packets that waited too long pass uninspected")
    assert fetch_from(unit, ADDRESSES[0]) == b"an ordinary page"
