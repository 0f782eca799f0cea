"""Small judgements of the supervisor and its workers, each on its own: gaps, stillness, a deadly packet, memory."""

import itertools
import subprocess
import sys
import time
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.namespaces import wait_until
from omamori.firmware.bridge.crashes import Crashes
from omamori.firmware.bridge.gaps import Gap, Gaps, Offer
from omamori.firmware.bridge.last_packet import Exempt, LastPacket
from omamori.firmware.bridge.overload import Overload
from omamori.firmware.bridge.stillness import Stillness
from omamori.firmware.host.firewall import FirewallError, Iptables, Nft
from omamori.firmware.host.rules import Plan
from tests.firmware.engine.conversation import PC, SITE, Tcp, datagram

# --- gaps


def test_a_gap_says_who_and_how_much():
    passed = itertools.count(1000, 40)
    gaps = Gaps(lambda: next(passed))
    gaps.begin("queue 1 of 2")
    gaps.begin("queue 1 of 2")
    gap = gaps.end("queue 1 of 2")
    assert gap.packets == 40
    assert "queue 1 of 2" in gap.text()
    assert "about 40 packets" in gap.text()
    assert (gaps.count, gaps.packets, gaps.last) == (1, 40, gap)
    assert gaps.end("queue 1 of 2") is None


def test_a_gap_of_which_nothing_was_counted_says_no_number():
    gaps = Gaps(lambda: None)
    gaps.begin("all traffic")
    assert "packets" not in gaps.end_all().text()
    assert gaps.end_all() is None


NFT_SAYS = """table inet omamori {
  chain inspect {
    ct mark & 0x000000ff == 0x00000001 accept
    meta mark 0x00000003 drop
    ct mark & 0x000000ff == 0x00000003 counter packets 7 bytes 420 drop
    ct mark & 0x000000ff == 0x00000002 counter packets 3 bytes 300 queue flags bypass to 2-3
    counter packets 40 bytes 9000 queue flags bypass to 0-1
  }
}
"""
IPTABLES_SAYS = """*mangle
:OMAMORI - [0:0]
[70:7000] -A FORWARD -m physdev --physdev-in lan0 -j OMAMORI
[9:90] -A OMAMORI -m connmark --mark 0x1/0xff -j ACCEPT
[4:40] -A OMAMORI -m mark --mark 0x3 -j DROP
[9:90] -A OMAMORI -m connmark --mark 0x3/0xff -j DROP
[3:300] -A OMAMORI -m connmark --mark 0x2/0xff -j NFQUEUE --queue-balance 2:3 --queue-bypass
[18:9000] -A OMAMORI -j NFQUEUE --queue-balance 0:1 --queue-bypass
[5:500] -A OMAMORI-PROBE -m mark --mark 0x5000 -j NFQUEUE --queue-num 0 --queue-bypass
COMMIT
"""


def test_only_the_queue_rules_of_traffic_are_counted():
    assert Nft(lambda *_: NFT_SAYS).offered() == 43
    assert Iptables(lambda *_: IPTABLES_SAYS).offered() == 2 * 21


def test_only_packets_of_blocked_flows_are_counted_as_stopped_by_the_kernel():
    assert Nft(lambda *_: NFT_SAYS).stopped() == 7
    assert Iptables(lambda *_: IPTABLES_SAYS).stopped() == 2 * 9


class Kernel:
    """Stands for a backend whose counters begin anew with each plan."""

    def __init__(self):
        self.count, self.refuses = 0, False

    def apply(self, _plan):
        if self.refuses:
            raise FirewallError("no")
        self.count = 0

    def offered(self):
        if self.refuses:
            raise FirewallError("no")
        return self.count

    def stopped(self):
        return 2 * self.offered()


def test_what_was_offered_under_earlier_plans_is_not_forgotten():
    kernel, plan = Kernel(), Plan("br0", ("wan0", "lan0"))
    offer = Offer(kernel)
    assert offer.packets() is None
    offer.apply(plan)
    kernel.count = 30
    offer.apply(plan)
    kernel.count = 4
    assert offer.packets() == 34
    assert offer.stopped() == 68
    kernel.refuses = True
    assert offer.packets() is None
    assert offer.stopped() == 68


def test_the_kernel_is_not_asked_what_it_stopped_before_anything_was_blocked_nor_all_the_time():
    kernel = Kernel()
    offer = Offer(kernel, look=3600.0)
    offer.apply(Plan("br0", ("wan0", "lan0")))
    kernel.count = 5
    assert offer.stopped(any_blocked=False) == 0
    assert offer.stopped() == 10
    kernel.count = 6
    assert offer.stopped() == 10


# --- stillness


def test_a_process_that_sleeps_or_computes_hangs():
    for program in ("import time; time.sleep(99)", "while True: pass"):
        with subprocess.Popen([sys.executable, "-c", program]) as process:
            try:
                stillness = Stillness()
                wait_until(lambda: stillness.hangs(process.pid), seconds=20, what="the judgement", step=0.1)  # noqa: B023 - within
            finally:
                process.kill()


def write_stat(proc, state, used):
    (proc / "7").mkdir(exist_ok=True)
    (proc / "7/stat").write_text(f"7 (a ) b) {state} 1 7 7 0 -1 0 0 0 0 0 {used} 0 0 0 20 0 1")


def test_a_process_that_waits_for_a_processor_is_starved(tmp_path):
    write_stat(tmp_path, "R", 50)
    stillness = Stillness(tmp_path)
    assert not stillness.hangs(7)
    time.sleep(0.15)
    assert not stillness.hangs(7)
    write_stat(tmp_path, "R", 60)
    wait_until(lambda: stillness.hangs(7), seconds=20, what="the judgement")


def test_a_process_that_is_stopped_or_not_shown_hangs(tmp_path):
    write_stat(tmp_path, "T", 50)
    assert Stillness(tmp_path).hangs(7)
    assert Stillness(tmp_path).hangs(8)


# --- a deadly packet


def test_the_flow_of_a_deadly_packet_is_exempt_both_ways_and_no_other():
    last, exempt, talk = LastPacket(), Exempt(), Tcp()
    last.note(talk.packet(to_server=True, payload=b"x" * 60_000))
    told = exempt.add(last.read())
    assert PC in told
    assert SITE in told
    assert "40000" in told
    assert exempt.has(talk.packet(to_server=True, payload=b"again"))
    assert exempt.has(talk.packet(to_server=False, payload=b"answer"))
    assert not exempt.has(Tcp(client_port=40_001).packet(to_server=True, payload=b"x"))
    assert exempt.add(last.read()) == ""
    last.clear()
    assert last.read() == b""
    last.close()


def test_exempt_flows_are_few():
    exempt = Exempt()
    for port in range(200):
        exempt.add(datagram(PC, SITE, 1000 + port, 53, b"a question, long enough"))
    assert not exempt.has(datagram(PC, SITE, 1000, 53, b"a question, long enough"))
    assert exempt.has(datagram(PC, SITE, 1199, 53, b"a question, long enough"))


@settings(max_examples=300)
@given(st.binary(max_size=150))
def test_any_bytes_make_a_flow_or_none(raw):
    exempt = Exempt()
    known = len(raw) >= (20 if raw[:1] and raw[0] >> 4 == 4 else 40)
    assert bool(exempt.add(raw)) == known
    assert exempt.has(raw) == known


def test_the_flow_of_a_short_datagram_is_exempt_too():
    exempt = Exempt()
    assert exempt.add(datagram(PC, SITE, 1000, 53, b"?"))
    assert exempt.has(datagram(SITE, PC, 53, 1000, b"!"))
    assert not exempt.has(datagram(PC, SITE, 1001, 53, b"?"))


# --- memory


_GROWING = """
from omamori.firmware.bridge.room import Room
room = Room(20 << 20)
said = [(room.is_short(), room.is_hopeless())]
kept = []
for _ in range(2):
    kept.append(bytearray(b"x") * (25 << 20))
    said.append((room.is_short(), room.is_hopeless()))
print(said)
"""


def test_room_is_what_is_needed_beyond_the_beginning():
    """In a process of its own: one that freed memory before does not grow when it takes some again."""
    done = subprocess.run([sys.executable, "-c", _GROWING], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[(False, False), (True, False), (True, True)]"


# --- overload and crashes


def test_an_overload_is_one_gap_from_its_first_packet_to_its_last():
    overload = Overload()
    assert overload.look({}, 100.0) == []
    assert overload.look({"datagrams": 10}, 101.0) == []
    assert not overload.due(101.1)
    assert overload.look({"datagrams": 50, "TCP": 1}, 102.5) == []
    assert overload.look({"datagrams": 50, "TCP": 1}, 104.0) == []
    found = {gap.whose: gap for gap in overload.look({"datagrams": 50, "TCP": 1}, 105.0)}
    assert {name: gap.packets for name, gap in found.items()} == {
        "overloaded: datagrams": 50,
        "overloaded: TCP": 1,
    }
    assert found["overloaded: datagrams"].seconds == 1.5
    assert overload.look({"datagrams": 50, "TCP": 1}, 200.0) == []


def test_packets_that_workers_counted_are_not_counted_twice():
    gaps = Gaps(lambda: 0)
    gaps.add(Gap("overloaded: TCP", datetime.now(UTC), datetime.now(UTC), 2.0, 30))
    assert (gaps.count, gaps.packets, gaps.counted, gaps.seconds) == (1, 30, 30, 2.0)


def test_a_worker_that_keeps_crashing_waits_longer_each_time_and_is_too_much_at_the_third():
    crashes = Crashes(within=60.0)
    assert [crashes.ended(0, now, crashed=True) for now in (1.0, 2.0, 3.0)] == [False, False, True]
    assert not crashes.may_begin(0, 3.3)
    assert crashes.may_begin(0, 3.5)
    assert crashes.may_begin(1, 3.3)
    assert not crashes.ended(0, 100.0, crashed=True)
    assert [crashes.ended(1, now, crashed=False) for now in (1.0, 2.0, 3.0)] == [False] * 3
