"""Which forwarded packets the kernel shows to the inspection queues: one plan, two backends.

`inet omamori` through nft is the product. Kernels without `nft queue` get the same chain through iptables' NFQUEUE
target; `choose` finds out by a dry run. The chain sees only packets the bridge forwards between its two ports, every
queue rule has bypass, and a plan replaces the one before it in one transaction for each address family.

Marks, on packets and connections: the low byte says what is known of a flow (1 decided, 2 suspect, 3 blocked); bits 8 to
11 of the connection mark name the generation that inspects it, so that a flow stays with its workers while they drain.
A new connection on the ports of an old one starts unknown: its SYN wipes the low byte.

Among the workers of a generation the kernel chooses by the pair of addresses (net/netfilter/nf_queue.h: nfqueue_hash), the
same for both directions, whatever the ports: what rules count for two hosts is counted in one place.
"""

import contextlib
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, Protocol

_KNOWN: Final = 0xFF
_OWNER: Final = 0xF00
_ALL: Final = 0xFFFFFFFF
_CHAIN: Final = "OMAMORI"
_PROBE_CHAIN: Final = "OMAMORI-PROBE"


class Mark(IntEnum):
    """What is known of a flow."""

    DECIDED = 1
    SUSPECT = 2
    BLOCKED = 3
    REFUSED = 4
    """Of a packet only: it is our own last word to the receiver; the flow it belongs to is blocked."""


_NFT_COUNT: Final = re.compile(r"counter packets (\d+) bytes \d+ queue ")
_IPTABLES_COUNT: Final = re.compile(rf"^\[(\d+):\d+\] -A {_CHAIN} .*-j NFQUEUE ", re.MULTILINE)
_KEPT: Final = {
    Mark.DECIDED: Mark.DECIDED,
    Mark.SUSPECT: Mark.SUSPECT,
    Mark.BLOCKED: Mark.BLOCKED,
    Mark.REFUSED: Mark.BLOCKED,
}
"""What a connection keeps of a packet's mark."""


PROBE: Final = 0x5000
"""Packet mark of the self-test's packet for the first worker; the next has the next number."""


class FirewallError(Exception):
    """The kernel refused the rules; the ones before stay in force."""


@dataclass(frozen=True, slots=True)
class QueuePair:
    """The queues of one generation: `count` of each kind, one of each for a worker. `owner` is 1 to 15."""

    owner: int
    scan: int
    """The first scan queue."""
    suspect: int
    """The first suspect queue."""
    count: int = 1

    def of_worker(self, index: int) -> tuple[int, int]:
        """(scan, suspect)"""
        return self.scan + index, self.suspect + index


@dataclass(frozen=True, slots=True)
class Plan:
    """Who inspects what crosses the bridge."""

    bridge: str
    ports: tuple[str, str]
    current: QueuePair | None = None
    """None: nothing is queued, but what was blocked stays blocked."""
    draining: QueuePair | None = None
    """Keeps the flows it already owns; new flows go to `current`."""


class Firewall(Protocol):
    """A backend. Both methods raise FirewallError and then have changed nothing that stops traffic."""

    def apply(self, plan: Plan) -> None: ...

    def remove(self) -> None: ...

    def offered(self) -> int:
        """Packets that came to the queue rules since they were applied, taken by a worker or not."""
        ...


Run = Callable[[Sequence[str], str], str]
"""From a command and its input to its output."""


def choose(run: Run | None = None) -> Firewall:
    """The product's backend where the kernel has it, else iptables. Raises FirewallError where neither works."""
    execute = run or _execute
    probe = Plan("br0", ("wan0", "lan0"), QueuePair(1, 0, 1))
    try:
        execute(["nft", "--check", "--file", "-"], nft_rules(probe))
    except FirewallError as refused:
        try:
            execute(["iptables-restore", "--test", "--noflush"], iptables_rules(probe, ipv6=False))
        except FirewallError as error:
            raise FirewallError(f"neither nft queue ({refused}) nor iptables ({error}) works") from error
        return Iptables(execute)
    return Nft(execute)


def prepare_bridge(proc: Path = Path("/proc")) -> None:
    """Let IP rules see bridged packets in this namespace. Raises OSError."""
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        switch = proc / "sys/net/bridge" / name
        if switch.read_text().strip() != "1":
            switch.write_text("1")


class Nft:
    """Table `inet omamori`, replaced as a whole."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def apply(self, plan: Plan) -> None:
        self._run(["nft", "--file", "-"], nft_rules(plan))

    def remove(self) -> None:
        self._run(["nft", "--file", "-"], "table inet omamori\ndelete table inet omamori\n")

    def offered(self) -> int:
        listed = self._run(["nft", "list", "chain", "inet", "omamori", "inspect"], "")
        return sum(int(count) for count in _NFT_COUNT.findall(listed))


class Iptables:
    """Chain OMAMORI in the mangle table of both families."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def apply(self, plan: Plan) -> None:
        for family in ("iptables", "ip6tables"):
            self._run([f"{family}-restore", "--noflush"], iptables_rules(plan, ipv6=family == "ip6tables"))
            self._hook(family, plan)

    def remove(self) -> None:
        for family in ("iptables", "ip6tables"):
            with contextlib.suppress(FirewallError):
                empty = f"*mangle\n:{_CHAIN} - [0:0]\n:{_PROBE_CHAIN} - [0:0]\nCOMMIT\n"
                self._run([f"{family}-restore", "--noflush"], empty)

    def offered(self) -> int:
        listed = (
            self._run([f"{family}-save", "-c", "-t", "mangle"], "") for family in ("iptables", "ip6tables")
        )
        return sum(int(count) for text in listed for count in _IPTABLES_COUNT.findall(text))

    def _hook(self, family: str, plan: Plan) -> None:
        for rule in _hooks(plan):
            try:
                self._run([family, "--table", "mangle", "--check", *rule], "")
            except FirewallError:
                self._run([family, "--table", "mangle", "--append", *rule], "")


def _hooks(plan: Plan) -> list[list[str]]:
    one, other = plan.ports
    match = ["FORWARD", "--match", "physdev", "--physdev-is-bridged", "--physdev-in"]
    return [
        *([*match, a, "--physdev-out", b, "--jump", _CHAIN] for a, b in ((one, other), (other, one))),
        ["OUTPUT", "--jump", _PROBE_CHAIN],
    ]


def _probes(plan: Plan) -> list[tuple[int, int]]:
    """(mark, queue) for each worker in force."""
    pair = plan.current
    return [(PROBE + index, pair.scan + index) for index in range(pair.count)] if pair else []


# --- nft -------------------------------------------------------------------------------------------------------------


def nft_rules(plan: Plan) -> str:
    """The whole table. The first two lines make its replacement one transaction, whether or not it was there."""
    return "\n".join(
        [
            "table inet omamori",
            "delete table inet omamori",
            "table inet omamori {",
            "  chain forward {",
            "    type filter hook forward priority mangle; policy accept;",
            f'    iifname "{plan.bridge}" oifname "{plan.bridge}" jump inspect',
            "  }",
            "  chain inspect {",
            *(f"    {line}" for line in _nft_chain(plan)),
            "  }",
            "  chain probe {",
            "    type filter hook output priority mangle; policy accept;",
            *(f"    meta mark {mark:#x} {_nft_queue(queue, 1)}" for mark, queue in _probes(plan)),
            "  }",
            "}",
            "",
        ]
    )


def _nft_chain(plan: Plan) -> list[str]:
    ipv4 = ", ".join(f"{ihl} . {off} . {4 * (ihl + off)}" for ihl in range(5, 16) for off in range(5, 16))
    ipv6 = ", ".join(f"{off} . {4 * off}" for off in range(5, 16))
    return [
        f"tcp flags & (fin | syn | rst | ack) == syn ct mark set ct mark & {_ALL ^ _KNOWN:#x}",
        *(
            f"meta mark {mark:d} ct mark set ct mark & {_ALL ^ _KNOWN:#x} | {kept:#x}"
            for mark, kept in _KEPT.items()
        ),
        f"meta mark {Mark.DECIDED:d} accept",
        f"meta mark {Mark.REFUSED:d} accept",
        f"meta mark {Mark.BLOCKED:d} drop",
        f"ct mark & {_KNOWN:#x} {Mark.DECIDED:d} accept",
        f"ct mark & {_KNOWN:#x} {Mark.BLOCKED:d} drop",
        f"meta nfproto ipv4 meta l4proto tcp ip hdrlength . tcp doff . ip length {{ {ipv4} }} accept",
        f"meta nfproto ipv6 ip6 nexthdr tcp tcp doff . ip6 length {{ {ipv6} }} accept",
        *(_nft_draining(plan.draining) if plan.draining else []),
        *(_nft_current(plan.current) if plan.current else []),
    ]


def _nft_draining(pair: QueuePair) -> list[str]:
    owner = pair.owner << 8
    return [
        f"ct mark & {_OWNER | _KNOWN:#x} {owner | Mark.SUSPECT:#x} {_nft_queue(pair.suspect, pair.count)}",
        f"ct mark & {_OWNER:#x} {owner:#x} {_nft_queue(pair.scan, pair.count)}",
    ]


def _nft_current(pair: QueuePair) -> list[str]:
    """The last rule has no condition: a packet that connection tracking does not know is inspected too."""
    return [
        f"ct mark set ct mark & {_ALL ^ _OWNER:#x} | {pair.owner << 8:#x}",
        f"ct mark & {_KNOWN:#x} {Mark.SUSPECT:d} {_nft_queue(pair.suspect, pair.count)}",
        f"meta mark {Mark.SUSPECT:d} {_nft_queue(pair.suspect, pair.count)}",
        f"{_nft_queue(pair.scan, pair.count)}",
    ]


def _nft_queue(first: int, count: int) -> str:
    queues = f"{first}-{first + count - 1}" if count > 1 else f"{first}"
    return f"counter queue flags bypass to {queues}"


# --- iptables ----------------------------------------------------------------------------------------------------


def iptables_rules(plan: Plan, *, ipv6: bool) -> str:
    """Input of iptables-restore --noflush: the chain's whole new content."""
    rules = [
        f"-p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/{_KNOWN:#x}",
        *(
            f"-m mark --mark {mark:d} -j CONNMARK --set-xmark {kept:#x}/{_KNOWN:#x}"
            for mark, kept in _KEPT.items()
        ),
        f"-m mark --mark {Mark.DECIDED:d} -j ACCEPT",
        f"-m mark --mark {Mark.REFUSED:d} -j ACCEPT",
        f"-m mark --mark {Mark.BLOCKED:d} -j DROP",
        f"-m connmark --mark {Mark.DECIDED:#x}/{_KNOWN:#x} -j ACCEPT",
        f"-m connmark --mark {Mark.BLOCKED:#x}/{_KNOWN:#x} -j DROP",
        f"-p tcp -m bpf --bytecode {_bare_segment(_IPV6_BARE if ipv6 else _IPV4_BARE)} -j ACCEPT",
        *(_iptables_draining(plan.draining) if plan.draining else []),
        *(_iptables_current(plan.current) if plan.current else []),
    ]
    probes = [f"-m mark --mark {mark:#x} {_to(queue, 1)}" for mark, queue in _probes(plan) if not ipv6]
    chains = ((_CHAIN, rules), (_PROBE_CHAIN, probes))
    return "\n".join(
        [
            "*mangle",
            *(f":{chain} - [0:0]" for chain, _ in chains),
            *(f"-A {chain} {rule}" for chain, rules in chains for rule in rules),
            "COMMIT",
            "",
        ]
    )


def _iptables_draining(pair: QueuePair) -> list[str]:
    owner = pair.owner << 8
    return [
        f"-m connmark --mark {owner | Mark.SUSPECT:#x}/{_OWNER | _KNOWN:#x} {_to(pair.suspect, pair.count)}",
        f"-m connmark --mark {owner:#x}/{_OWNER:#x} {_to(pair.scan, pair.count)}",
    ]


def _iptables_current(pair: QueuePair) -> list[str]:
    return [
        f"-j CONNMARK --set-xmark {pair.owner << 8:#x}/{_OWNER:#x}",
        f"-m connmark --mark {Mark.SUSPECT:#x}/{_KNOWN:#x} {_to(pair.suspect, pair.count)}",
        f"-m mark --mark {Mark.SUSPECT:d} {_to(pair.suspect, pair.count)}",
        f"{_to(pair.scan, pair.count)}",
    ]


def _to(first: int, count: int) -> str:
    queues = f"--queue-balance {first}:{first + count - 1}" if count > 1 else f"--queue-num {first}"
    return f"-j NFQUEUE {queues} --queue-bypass"


# Classic BPF, one (code, jt, jf, k) each: X = header bytes; accept where the packet's length is nothing but headers.
_IPV4_BARE: Final = (
    (0xB1, 0, 0, 0),  # ldx 4*([0]&0xf)      IP header
    (0x50, 0, 0, 12),  # ldb [x+12]          TCP data offset, high nibble
    (0x54, 0, 0, 0xF0),  # and 0xf0
    (0x74, 0, 0, 2),  # rsh 2
    (0x0C, 0, 0, 0),  # add x
    (0x07, 0, 0, 0),  # tax
    (0x28, 0, 0, 2),  # ldh [2]              total length
    (0x1C, 0, 0, 0),  # sub x
    (0x15, 0, 1, 0),  # jeq 0
    (0x06, 0, 0, 1),  # ret 1
    (0x06, 0, 0, 0),  # ret 0
)
_IPV6_BARE: Final = (
    (0x30, 0, 0, 6),  # ldb [6]              next header is TCP itself
    (0x15, 0, 8, 6),  # jeq 6
    (0x30, 0, 0, 52),  # ldb [52]            TCP data offset
    (0x54, 0, 0, 0xF0),
    (0x74, 0, 0, 2),
    (0x07, 0, 0, 0),  # tax
    (0x28, 0, 0, 4),  # ldh [4]              payload length
    (0x1C, 0, 0, 0),  # sub x
    (0x15, 0, 1, 0),
    (0x06, 0, 0, 1),
    (0x06, 0, 0, 0),
)


def _bare_segment(program: tuple[tuple[int, int, int, int], ...]) -> str:
    return f'"{len(program)},' + ",".join(f"{code} {jt} {jf} {k}" for code, jt, jf, k in program) + '"'


def _execute(command: Sequence[str], text: str) -> str:
    """What the tool printed. Raises FirewallError with what it complained of."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirewallError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise FirewallError(f"{command[0]}: {said[0] if said else f'exit {done.returncode}'}")
    return done.stdout
