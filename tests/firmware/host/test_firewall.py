"""The kernel rules: accepted by both tools, and right about which packets have no payload."""

import subprocess

import pytest

from lab.namespaces import PYTHON, guarded_line, wait_until
from omamori.firmware.host.firewall import FirewallError, Iptables, Nft, choose, prepare_bridge
from omamori.firmware.host.rules import Mark, Plan, Queues, iptables_rules, nft_rules

PLAIN = Plan("br0", ("wan0", "lan0"), Queues(1, 0))
SWAP = Plan("br0", ("wan0", "lan0"), Queues(2, 4), Queues(1, 0))
SEVERAL = Plan("br0", ("wan0", "lan0"), Queues(2, 16, count=4), Queues(1, 0, count=4))
SEEN = 0x77
"""A packet mark."""
STANDBY = Plan("br0", ("wan0", "lan0"))
PLANS = pytest.mark.parametrize(
    "plan", [PLAIN, SWAP, SEVERAL, STANDBY], ids=["plain", "swap", "several", "standby"]
)


class Tools:
    """Stands for the kernel's tools: refuses what it is told to, and keeps what it was given."""

    def __init__(self, *refused):
        self.refused, self.calls = refused, []

    def __call__(self, command, text):
        self.calls.append((command[0], text))
        if command[0] in self.refused:
            raise FirewallError(f"{command[0]}: refused")
        return ""


def test_the_products_backend_is_chosen_where_the_kernel_has_it():
    assert isinstance(choose(Tools()), Nft)


def test_iptables_is_chosen_where_the_kernel_has_no_nft_queue():
    assert isinstance(choose(Tools("nft")), Iptables)


def test_both_reasons_are_told_where_nothing_works():
    with pytest.raises(FirewallError, match=r"nft: refused.*iptables-restore: refused"):
        choose(Tools("nft", "iptables-restore"))


def test_a_missing_tool_is_an_error_not_a_crash(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FirewallError, match="No such file"):
        choose()


def test_the_bridge_switches_are_written_only_where_they_are_off(tmp_path):
    folder = tmp_path / "sys/net/bridge"
    folder.mkdir(parents=True)
    (folder / "bridge-nf-call-iptables").write_text("0\n")
    (folder / "bridge-nf-call-ip6tables").write_text("1\n")
    (folder / "bridge-nf-call-ip6tables").chmod(0o400)
    prepare_bridge(tmp_path)
    assert (folder / "bridge-nf-call-iptables").read_text() == "1"


def test_every_queue_rule_has_bypass():
    for text, word, count in (
        (nft_rules(SWAP), "queue flags bypass to", 12),  # each end's port in a rule of its own
        (iptables_rules(SWAP, ipv6=False), "--queue-bypass", 10),
    ):
        queueing = [line for line in text.splitlines() if "queue" in line.lower()]
        assert len(queueing) == count
        assert all(word in line for line in queueing)


def test_a_draining_pair_comes_first_and_new_flows_go_to_the_current_one():
    rules = [
        line
        for line in iptables_rules(SWAP, ipv6=True).splitlines()
        if "NFQUEUE" in line or "0x200/0xf00" in line
    ]
    numbers = [rule.partition("--queue-num ")[2].partition(" ")[0] for rule in rules]
    assert numbers == ["1", "0", "2", "3", "", "5", "5", "4", "6", "7"]


def test_workers_share_a_range_of_queues():
    nft, iptables = nft_rules(SEVERAL), iptables_rules(SEVERAL, ipv6=False)
    for first, last in ((first, first + 3) for first in range(0, 32, 4)):
        assert f"queue flags bypass to {first}-{last}" in nft
        assert f"--queue-balance {first}:{last} --queue-bypass" in iptables
    assert [SEVERAL.current.of_worker(index) for index in range(4)] == [
        (16 + index, 20 + index, 24 + index, 28 + index) for index in range(4)
    ]


@pytest.mark.root
@PLANS
def test_the_kernel_takes_the_iptables_rules_and_replaces_them(plan):
    with guarded_line("omafw") as line:
        for family in ("iptables", "ip6tables"):
            for _ in range(2):
                rules = iptables_rules(plan, ipv6=family == "ip6tables")
                command = line.unit.command(f"{family}-restore", "--noflush")
                subprocess.run(command, input=rules, text=True, check=True, capture_output=True)
            listed = line.unit.run(family, "-t", "mangle", "-S").stdout
            assert listed.count("NFQUEUE") == rules.count("NFQUEUE")


@pytest.mark.root
@PLANS
def test_the_kernel_takes_the_nft_rules_and_replaces_them(plan):
    """Where the kernel has no `nft queue`, the rest of the table, with the queues' places counted."""
    text = nft_rules(plan)
    with guarded_line("omafw") as line:
        for _ in range(2):
            done = load_nft(line, text)
            if done.returncode and "queue" in done.stderr:
                done = load_nft(line, counting(text))
            assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_both_backends_keep_bare_segments_in_the_kernel_and_see_every_payload_and_end():
    """Ten small messages each way and 2 ends, the same and a reset, 2 resets for knocks at closed ports; whatever else TCP sends."""
    with guarded_line("omafw") as line:
        line.unit.write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1")
        line.unit.write("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "1")
        assert load_nft(line, counting(nft_rules(PLAIN))).returncode == 0
        for family in ("iptables", "ip6tables"):
            rules = iptables_rules(PLAIN, ipv6=family == "ip6tables").replace(
                " -j NFQUEUE --queue-num 0 --queue-bypass", ""
            )
            command = line.unit.command(f"{family}-restore", "--noflush")
            subprocess.run(command, input=rules, text=True, check=True, capture_output=True)
            line.unit.run(family, "-t", "mangle", "-A", "FORWARD", "-j", "OMAMORI")
            line.unit.run(family, "-t", "filter", "-A", "FORWARD", "-m", "mark", "--mark", str(SEEN))
        for family, where in (("iptables", line.wan_address), ("ip6tables", line.wan_address6)):
            for reset, seen in (False, 20 + 2), (True, 20 + 2 + 20 + 1):
                talk(line, where, reset=reset)
                assert seen_by_nft(line, family) == seen
                assert seen_by_iptables(line, family) == seen


def load_nft(line, text):
    return subprocess.run(
        line.unit.command("nft", "--file", "-"), input=text, text=True, capture_output=True, check=False
    )


def counting(rules):
    """The same rules, with TCP packets marked in place of each queue: nft 1.0.6 crashes when it lists such rules."""
    lines = []
    for text in rules.splitlines():
        match, queue, _ = text.partition("counter queue flags")
        which = "" if "udp" in match or "tcp" in match else "meta l4proto tcp "
        lines.append(f"{match}{which}meta mark set {SEEN:#x}" if queue else text)
    return "\n".join(lines) + "\n"


SERVE = """
import socket, sys
server = socket.create_server((sys.argv[1], 9000), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
peer, _ = server.accept()
while data := peer.recv(100): peer.sendall(data)
"""
ASK = """
import socket, struct, sys
peer = socket.create_connection((sys.argv[1], 9000))
for _ in range(10):
    peer.sendall(b"hello"); assert peer.recv(100) == b"hello"
if sys.argv[2] == "True":
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for port in (9001, 9002):
        try: socket.create_connection((sys.argv[1], port))
        except ConnectionRefusedError: pass
        else: sys.exit(1)
"""


def talk(line, where, *, reset):
    with line.wan.running(PYTHON, "-c", SERVE, where):
        listening = line.wan.command("ss", "-Hltn", "sport", "=", ":9000")
        wait_until(lambda: subprocess.check_output(listening), seconds=5, what="the server")
        line.lan.run(PYTHON, "-c", ASK, where, str(reset))


def seen_by_nft(line, family):
    rules = line.unit.run(family, "-t", "filter", "-nvxL", "FORWARD").stdout.strip().splitlines()
    return int(rules[-1].split()[0])


def seen_by_iptables(line, family):
    """TCP; behind it stand the rules for both kinds of datagrams."""
    rules = line.unit.run(family, "-t", "mangle", "-nvxL", "OMAMORI").stdout.strip().splitlines()
    return int(rules[-3].split()[0])


def test_marks_are_what_the_contract_says():
    assert {mark.name: mark.value for mark in Mark} == {
        "DECIDED": 1,
        "SUSPECT": 2,
        "BLOCKED": 3,
        "REFUSED": 4,
        "LOCAL": 5,
    }
