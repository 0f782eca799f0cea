"""The text of the kernel rules that show forwarded packets to the inspection queues: one plan, for nft and for iptables.

Marks, on packets and connections: the low byte says what is known of a flow (1 decided, 2 suspect, 3 blocked); bits 8 to
11 of the connection mark name the generation that inspects it, so that a flow stays with its workers while they drain.
A new connection on the ports of an old one starts unknown: its SYN wipes the low byte.

Among the workers of a generation the kernel chooses by the pair of addresses (net/netfilter/nf_queue.h: nfqueue_hash), the
same for both directions, whatever the ports: what rules count for two hosts is counted in one place.

TCP segments without data stay in the kernel, but for those that end a connection of which more could be inspected: what is
remembered of it can be forgotten at once, rather than after ten minutes (decision 0030). Of resets only those of connections
of which something was inspected, which the owner in their mark tells: a scan is answered by one for each port.

A packet with a VLAN tag carries it into its queue in the upper half of the packet mark (`TAG_SHIFT`): the queue of an IP family tells
none, and an answer without it would reach nobody. The kernel's tools only shift constants, so it is copied bit by bit, in
a chain that no other packet enters.

Each worker has four queues, so that a flood of one kind of packet never stands before another kind (decision 0014): TCP, flows
to be rewritten, datagrams that name sites (`NAMING`), and everything else.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

CHAIN: Final = "OMAMORI"
PROBE_CHAIN: Final = "OMAMORI-PROBE"
_KNOWN: Final = 0xFF
_OWNER: Final = 0xF00
_ALL: Final = 0xFFFFFFFF
TAG_CHAIN: Final = "OMAMORI-TAG"
TAG_SHIFT: Final = 16
"""In the mark of a queued packet, the 802.1Q tag control (priority and VLAN number) lies here; 0 where there is no tag."""
_TAG_BITS: Final = range(16)


class Mark(IntEnum):
    """What is known of a flow."""

    DECIDED = 1
    SUSPECT = 2
    BLOCKED = 3
    REFUSED = 4
    """Of a packet only: it is our own last word to the receiver; the flow it belongs to is blocked."""
    LOCAL = 5
    """Of a packet only: it goes from one host on the LAN side to another, by way of the radio (`bridge omamori_wifi`)."""


_KEPT: Final = {
    Mark.DECIDED: Mark.DECIDED,
    Mark.SUSPECT: Mark.SUSPECT,
    Mark.BLOCKED: Mark.BLOCKED,
    Mark.REFUSED: Mark.BLOCKED,
}
"""What a connection keeps of a packet's mark."""


NAMING: Final = (53, 443)
"""UDP ports of either end whose datagrams name a site: DNS and QUIC."""
PROBE: Final = 0x5000
"""Packet mark of the self-test's packet for the first worker; the next has the next number."""


OPENINGS: Final = 0x1000
"""Log group of the first queue; the groups below are others'."""


@dataclass(frozen=True, slots=True)
class Queues:
    """The queues of one generation: `count` of each kind from `first` on, one of each for a worker. `owner` is 1 to 15."""

    owner: int
    first: int
    count: int = 1

    @property
    def scan(self) -> int:
        """The first of those for TCP. The other kinds follow, each with its first."""
        return self.first

    @property
    def suspect(self) -> int:
        return self.first + self.count

    @property
    def names(self) -> int:
        return self.first + 2 * self.count

    @property
    def datagrams(self) -> int:
        return self.first + 3 * self.count

    def openings(self, index: int) -> int:
        """The log group where a worker gets copies of the answers to openings; `handshakes.py` has the rules."""
        return OPENINGS + self.scan + index

    def of_worker(self, index: int) -> tuple[int, int, int, int]:
        """(scan, suspect, names, datagrams)"""
        return (self.scan + index, self.suspect + index, self.names + index, self.datagrams + index)


KINDS: Final = 4
"""Of queues."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who inspects what crosses the bridge."""

    bridge: str
    ports: tuple[str, str]
    current: Queues | None = None
    """None: nothing is queued, but what was blocked stays blocked."""
    draining: Queues | None = None
    """Keeps the flows it already owns; new flows go to `current`."""


def _probes(plan: Plan) -> list[tuple[int, int]]:
    """(mark, queue) for each worker in force."""
    queues = plan.current
    return [(PROBE + index, queues.scan + index) for index in range(queues.count)] if queues else []


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
            "  chain tag {",
            *(f"    {line}" for line in _nft_tag()),
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
        f"meta mark {Mark.LOCAL:d} accept",
        f"tcp flags & (fin | syn | rst | ack) == syn ct mark set ct mark & {_ALL ^ _KNOWN:#x}",
        *(
            f"meta mark {mark:d} ct mark set ct mark & {_ALL ^ _KNOWN:#x} | {kept:#x}"
            for mark, kept in _KEPT.items()
        ),
        f"meta mark {Mark.DECIDED:d} accept",
        f"meta mark {Mark.REFUSED:d} accept",
        f"meta mark {Mark.BLOCKED:d} drop",
        f"ct mark & {_KNOWN:#x} {Mark.DECIDED:d} accept",
        f"ct mark & {_KNOWN:#x} {Mark.BLOCKED:d} counter drop",
        *(
            f"{bare} accept"
            for which in ("tcp flags & (fin | rst) == 0", f"tcp flags & rst == rst ct mark & {_OWNER:#x} 0")
            for bare in (
                f"meta nfproto ipv4 {which} ip hdrlength . tcp doff . ip length {{ {ipv4} }}",
                f"meta nfproto ipv6 ip6 nexthdr tcp {which} tcp doff . ip6 length {{ {ipv6} }}",
            )
        ),
        "@ll,96,16 0x8100 jump tag",
        *(_nft_draining(plan.draining) if plan.draining else []),
        *(_nft_current(plan.current) if plan.current else []),
    ]


def _nft_tag() -> list[str]:
    """The kernel shows the tag as if it were in the frame still, after the addresses (net/netfilter/nft_payload.c)."""
    return [
        f"@ll,{127 - bit},1 1 meta mark set meta mark | {1 << (TAG_SHIFT + bit):#010x}" for bit in _TAG_BITS
    ]


def _nft_draining(queues: Queues) -> list[str]:
    owner = queues.owner << 8
    return [
        f"ct mark & {_OWNER | _KNOWN:#x} {owner | Mark.SUSPECT:#x} {_nft_queue(queues.suspect, queues.count)}",
        *(f"ct mark & {_OWNER:#x} {owner:#x} {rule}" for rule in _nft_kinds(queues)),
    ]


def _nft_current(queues: Queues) -> list[str]:
    """The last rule has no condition: a packet that connection tracking does not know is inspected too."""
    suspect = _nft_queue(queues.suspect, queues.count)
    return [
        f"ct mark set ct mark & {_ALL ^ _OWNER:#x} | {queues.owner << 8:#x}",
        f"ct mark & {_KNOWN:#x} {Mark.SUSPECT:d} {suspect}",
        f"meta mark & {_KNOWN:#x} {Mark.SUSPECT:d} {suspect}",
        *_nft_kinds(queues),
    ]


def _nft_kinds(queues: Queues) -> list[str]:
    ports, names = ", ".join(map(str, NAMING)), _nft_queue(queues.names, queues.count)
    return [
        f"meta l4proto tcp {_nft_queue(queues.scan, queues.count)}",
        *(f"udp {end} {{ {ports} }} {names}" for end in ("dport", "sport")),
        _nft_queue(queues.datagrams, queues.count),
    ]


def _nft_queue(first: int, count: int) -> str:
    queues = f"{first}-{first + count - 1}" if count > 1 else f"{first}"
    return f"counter queue flags bypass to {queues}"


# --- iptables ----------------------------------------------------------------------------------------------------


def iptables_rules(plan: Plan, *, ipv6: bool) -> str:
    """Input of iptables-restore --noflush: the chain's whole new content."""
    rules = [
        f"-m mark --mark {Mark.LOCAL:d} -j ACCEPT",
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
        *(
            f"-p tcp --tcp-flags {which} -m bpf --bytecode {_bytecode(_IPV6_BARE if ipv6 else _IPV4_BARE)} -j ACCEPT"
            for which in ("FIN,RST NONE", f"RST RST -m connmark --mark 0x0/{_OWNER:#x}")
        ),
        f"-m bpf --bytecode {_bytecode(_TAGGED)} -j {TAG_CHAIN}",
        *(_iptables_draining(plan.draining) if plan.draining else []),
        *(_iptables_current(plan.current) if plan.current else []),
    ]
    probes = [f"-m mark --mark {mark:#x} {_to(queue, 1)}" for mark, queue in _probes(plan) if not ipv6]
    chains = ((TAG_CHAIN, _iptables_tag()), (CHAIN, rules), (PROBE_CHAIN, probes))
    return "\n".join(
        [
            "*mangle",
            *(f":{chain} - [0:0]" for chain, _ in chains),
            *(f"-A {chain} {rule}" for chain, rules in chains for rule in rules),
            "COMMIT",
            "",
        ]
    )


def _iptables_tag() -> list[str]:
    return [
        f"-m bpf --bytecode {_bytecode(_tag_bit(bit))} -j MARK --set-xmark {mark:#x}/{mark:#x}"
        for bit, mark in ((bit, 1 << (TAG_SHIFT + bit)) for bit in _TAG_BITS)
    ]


def _iptables_draining(queues: Queues) -> list[str]:
    owner = queues.owner << 8
    return [
        f"-m connmark --mark {owner | Mark.SUSPECT:#x}/{_OWNER | _KNOWN:#x} {_to(queues.suspect, queues.count)}",
        *(f"-m connmark --mark {owner:#x}/{_OWNER:#x} {rule}" for rule in _iptables_kinds(queues)),
    ]


def _iptables_current(queues: Queues) -> list[str]:
    suspect = _to(queues.suspect, queues.count)
    return [
        f"-j CONNMARK --set-xmark {queues.owner << 8:#x}/{_OWNER:#x}",
        f"-m connmark --mark {Mark.SUSPECT:#x}/{_KNOWN:#x} {suspect}",
        f"-m mark --mark {Mark.SUSPECT:#x}/{_KNOWN:#x} {suspect}",
        *_iptables_kinds(queues),
    ]


def _iptables_kinds(queues: Queues) -> list[str]:
    ports = ",".join(map(str, NAMING))
    return [
        f"-p tcp {_to(queues.scan, queues.count)}",
        f"-p udp -m multiport --ports {ports} {_to(queues.names, queues.count)}",
        _to(queues.datagrams, queues.count),
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
# Loads beyond the packet: what the kernel keeps beside it (linux/filter.h: SKF_AD_OFF, SKF_AD_VLAN_TAG, ..._PRESENT).
_TAG, _TAG_PRESENT = 0x1_0000_0000 - 0x1000 + 44, 0x1_0000_0000 - 0x1000 + 48
_TAGGED: Final = ((0x20, 0, 0, _TAG_PRESENT), (0x15, 1, 0, 0), (0x06, 0, 0, 1), (0x06, 0, 0, 0))


def _tag_bit(bit: int) -> tuple[tuple[int, int, int, int], ...]:
    """Accepts where the bit is set."""
    return ((0x20, 0, 0, _TAG), (0x45, 0, 1, 1 << bit), (0x06, 0, 0, 1), (0x06, 0, 0, 0))


def _bytecode(program: tuple[tuple[int, int, int, int], ...]) -> str:
    return f'"{len(program)},' + ",".join(f"{code} {jt} {jf} {k}" for code, jt, jf, k in program) + '"'
