"""What rules can look at, at one moment of one flow: the meeting point of protocol parsers and rule evaluation.

Parsers fill buffers under Suricata 7's sticky-buffer names (`http.uri`, `dns.query`, `tls.sni`, `file.data`, ...);
the rule evaluator asks for them by those names and never knows where they came from. What is made for each packet has an `__init__` of its own: one that `dataclass` makes is
interpreted, also where this module is compiled (decision 0022).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from omamori.firmware.engine.packet import Packet

_NO_EVENTS: frozenset[str] = frozenset()


class Moment(Enum):
    """Why rules are evaluated now."""

    PACKET = auto()
    """One packet; buffer `payload` is its transport payload (may be empty: flags, icmp and dsize rules). With `stream`, it
    stands alone: of a connection that is not followed rules over streams see the packet's payload."""
    STREAM = auto()
    """Reassembled bytes of one direction grew; buffer `stream` is the window in inspection."""
    TRANSACTION = auto()
    """An application message, or a part of one, is complete; its buffers are there."""


@dataclass(slots=True, init=False)
class FlowFacts:
    """What is remembered of one flow (a TCP connection or UDP/ICMP exchange). Addresses are packed (4 or 16 bytes)."""

    protocol: str
    """`tcp`, `udp`, `icmp`, `icmpv6`, `sctp`, or `ip` for the rest."""
    client: bytes
    server: bytes
    client_port: int
    server_port: int
    client_inside: bool
    """The side that opened the flow is on the LAN side of the unit."""
    established: bool
    """TCP handshake seen complete, or both directions seen for UDP and ICMP."""
    begun: float
    """Time of the first packet, seconds since the epoch."""
    to_server_sequence: int
    """TCP: how far the client's sequence numbers have come since its first one, which SYN has."""
    to_client_sequence: int
    application: str
    """`http`, `tls`, `dns`, `smtp`, ...; empty until known, `failed` when nothing fits."""
    flowbits: set[str]
    flowints: dict[str, int]
    to_server_bytes: int
    to_client_bytes: int
    to_server_packets: int
    to_client_packets: int
    rule_memory: dict[object, object]
    """What the rule evaluator remembers of this flow (which rule fired for what); nobody else looks inside."""

    def __init__(
        self,
        protocol: str,
        client: bytes,
        server: bytes,
        client_port: int,
        server_port: int,
        client_inside: bool,  # noqa: FBT001 - a record
        established: bool = False,  # noqa: FBT001, FBT002 - as above
        begun: float = 0.0,
        application: str = "",
    ) -> None:
        self.protocol, self.application = protocol, application
        self.client, self.server = client, server
        self.client_port, self.server_port = client_port, server_port
        self.client_inside, self.established, self.begun = client_inside, established, begun
        self.to_server_sequence = self.to_client_sequence = 0
        self.to_server_bytes = self.to_client_bytes = 0
        self.to_server_packets = self.to_client_packets = 0
        self.flowbits, self.flowints, self.rule_memory = set(), {}, {}

    def count(self, size: int, *, to_server: bool) -> None:
        """One more packet, of so many bytes."""
        if to_server:
            self.to_server_packets += 1
            self.to_server_bytes += size
        else:
            self.to_client_packets += 1
            self.to_client_bytes += size


KeptRules: TypeAlias = dict[
    tuple[tuple[str, ...], tuple[tuple[bytes, ...], ...]], tuple[frozenset[int], frozenset[int]]
]


class Kept(dict[str, Sequence[bytes]]):
    """Buffers that other messages have unchanged as this very object: what rules found in them is kept with them."""

    __slots__ = ("names", "needs", "rule_memory")

    def __init__(
        self,
        buffers: Mapping[str, Sequence[bytes]] | None = None,
        names: frozenset[str] = frozenset(),
        needs: frozenset[str] | None = None,
    ) -> None:
        super().__init__(buffers or {})
        self.names = names
        """All buffers that these would be among, if they were there."""
        self.needs = needs
        """What was asked for."""
        self.rule_memory: tuple[object, KeptRules] = (None, {})
        """Of the rule evaluator alone: whose it is, and what it found."""


@dataclass(slots=True, init=False)
class Inspection:
    """One evaluation. `buffers` holds a sequence of values for each name: multi-instance buffers have several."""

    moment: Moment
    now: float
    """Seconds since the epoch, the packet's own time."""
    flow: FlowFacts
    to_server: bool
    """Direction of the data in the buffers (client to server)."""
    packet: Packet | None
    """The packet that made this moment; None at the end of a flow or on a timer."""
    buffers: Mapping[str, Sequence[bytes]]
    """PACKET: `payload`. STREAM: `stream`. TRANSACTION: everything known of the transaction in this direction so far
    (a later part of it brings the earlier buffers again); with `stream`, where the parser still has it."""
    events: frozenset[str]
    """Names of decoder and application-layer events raised since the last moment (`app-layer-event`)."""
    stream_at: int
    """Of a STREAM: how far from the beginning of its direction the first byte of buffer `stream` lies."""
    complete: bool
    """Of a TRANSACTION: nothing of this message is to come. While False, a body buffer may still grow."""
    transaction: int
    """TRANSACTION: its number within the flow; a rule fires once for each and direction."""
    fresh: int
    """STREAM: index in `stream` of the first byte that no earlier moment showed; a match must reach beyond it."""
    kept: Kept | None
    """TRANSACTION: those of `buffers` that came in other messages before."""
    before: bytes
    """PACKET: what its direction brought just before, as far as the next STREAM shows it again."""
    alone: bool
    """STREAM: what is new is just the packet's payload, and the packet came before it as PACKET."""

    def __init__(
        self,
        moment: Moment,
        now: float,
        flow: FlowFacts,
        to_server: bool,  # noqa: FBT001 - a record
        packet: Packet | None,
        buffers: Mapping[str, Sequence[bytes]],
        events: frozenset[str] = _NO_EVENTS,
        stream_at: int = 0,
        complete: bool = True,  # noqa: FBT001, FBT002 - as above
        transaction: int = 0,
        fresh: int = 0,
        kept: Kept | None = None,
        before: bytes = b"",
        alone: bool = False,  # noqa: FBT001, FBT002 - as above
    ) -> None:
        self.moment, self.now, self.flow, self.to_server = moment, now, flow, to_server
        self.packet, self.buffers, self.events = packet, buffers, events
        self.stream_at, self.fresh, self.kept = stream_at, fresh, kept
        self.complete, self.transaction = complete, transaction
        self.before, self.alone = before, alone
