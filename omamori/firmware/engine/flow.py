"""The flows under inspection: found by their addresses and ports, bounded in number, forgotten when idle.

Who opened a flow is known from its SYN. The data path sends no bare SYN up, so it is otherwise told from the first bytes
(a greeting says which side it is), then from a well-known port, then from who spoke first.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from omamori.firmware.engine.antivirus import FileScan
from omamori.firmware.engine.applications.layer import Layer
from omamori.firmware.engine.ended import Ended, Ends
from omamori.firmware.engine.inspection import FlowFacts
from omamori.firmware.engine.opening import Opening, Openings, Way
from omamori.firmware.engine.packet import ACK, RST, SYN, TCP, Packet
from omamori.firmware.engine.reassembly import Reassembly
from omamori.firmware.engine.rewriting import Overwrites
from omamori.firmware.engine.settings import Mode, Settings

_FROM_SERVER = re.compile(rb"HTTP/1\.|220[ -]|\+OK|\* OK|\x16\x03[\x00-\x04]..\x02", re.DOTALL)
_FROM_CLIENT = re.compile(
    rb"[\r\n\t \0]*+[A-Z]{3,10} [^ \r\n]+ HTTP/|(?:EHLO|HELO) |\x16\x03[\x00-\x04]..\x01", re.DOTALL
)

HANDSHAKE: Final = 3
_PLAUSIBLE: Final = 1 << 20
"""The first data that is seen is not so much further on."""


class Half:
    """One direction of a flow."""

    __slots__ = ("infected", "overwrites", "stream", "tail")

    def __init__(self) -> None:
        self.stream = Reassembly()
        self.tail = b""
        """The newest delivered bytes, for rules that look across segments."""
        self.overwrites = Overwrites()
        self.infected = False
        """A file that goes this way now is being overwritten."""


class Flow:
    """One connection or exchange, and all that the engine remembers of it."""

    __slots__ = (
        "blocked",
        "decided",
        "ended",
        "facts",
        "failed",
        "halves",
        "last",
        "layer",
        "mail",
        "number",
        "opening",
        "passed",
        "reset",
        "rival",
        "scans",
        "suspect",
        "table",
        "told",
        "undetected",
        "vetted",
        "way",
    )

    def __init__(self, number: int, facts: FlowFacts, way: Way, now: float) -> None:
        self.number = number
        self.facts = facts
        self.way = way
        """The key of packets to the server."""
        self.last = now
        self.halves = (Half(), Half()) if facts.protocol == "tcp" else ()
        """To the client, to the server: indexed by the truth of `to_server`. Of TCP only."""
        self.layer: Layer | None = None
        self.undetected: list[bytes | None] = [b"", b""]
        """First bytes of each direction while the protocol is not known; None once they are of no use."""
        self.failed = [False, False]
        """The first bytes of the direction fit no protocol."""
        self.opening = 0
        """TCP handshake packets known of: 1 SYN, 2 also SYN and ACK, `HANDSHAKE` all."""
        self.blocked = ""
        """Why everything is dropped."""
        self.decided = False
        self.suspect = False
        self.vetted = False
        """Its addresses were looked up."""
        self.passed = False
        """A pass rule matched."""
        self.reset = False
        """One side ended it at once, at the very number that the other expects."""
        self.ended = False
        """So it was, and what it was is forgotten (`ended.py`)."""
        self.rival: Flow | None = None
        """Another connection between the same ports, which came before and may not be over."""
        self.told: set[tuple[object, ...]] = set()
        """What was told already."""
        self.scans: list[FileScan | None] = [None, None]
        """The antivirus scan that runs, by direction."""
        self.mail: tuple[int, FileScan] | None = None
        """The scan of a mail as a whole, with its transaction."""
        self.table: OrderedDict[int, Flow] | None = None


class FlowTable:
    """All flows, each in the table of its timeout; a table's order is that of the last packet."""

    def __init__(
        self, settings: Settings, *, first: int = 1, step: int = 1, openings: Openings | None = None
    ) -> None:
        self._settings, self._openings = settings, openings
        self._number, self._step = first, step
        self._ways: dict[Way, tuple[Flow, bool]] = {}
        self._tcp: OrderedDict[int, Flow] = OrderedDict()
        self._closing: OrderedDict[int, Flow] = OrderedDict()
        self._other: OrderedDict[int, Flow] = OrderedDict()
        self._ended = Ended(settings.timeouts.tcp) if settings.mode is Mode.PREVENT else None
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._tcp) + len(self._closing) + len(self._other)

    def find(self, packet: Packet, now: float, *, from_inside: bool) -> tuple[Flow, bool, Flow | None]:
        """The packet's flow, whether the packet goes to its server, and a flow that was pushed out for it."""
        way = _way(packet)
        known = self._ways.get(way)
        if known is not None and packet.protocol == TCP:
            known = self._connection(*known, packet)
        if known is None:
            old = self._make_room(way)
            return *self._open(packet, way, now, from_inside=from_inside), old
        flow, to_server = known
        flow.last = now
        if flow.table is not None:
            flow.table.move_to_end(flow.number)
        return flow, to_server, None

    def closing(self, flow: Flow) -> None:
        """Nothing more is expected of it."""
        if flow.table is not None and flow.table is not self._closing:
            del flow.table[flow.number]
            self._put(flow, self._closing)

    def is_over(self, flow: Flow) -> bool:
        """`closing` was said of it."""
        return flow.table is self._closing

    def remove(self, flow: Flow) -> None:
        if flow.reset and self._ended is not None and not flow.decided and not flow.blocked:
            server, client = (half.stream.expected for half in flow.halves)
            self._ended.add(flow.way, Ends(client, server, flow.last))
        current = self._ways.get(flow.way)
        if current is not None and current[0] is flow:
            del self._ways[flow.way]
            self._ways.pop(_turned(flow.way), None)
        elif current is not None and current[0].rival is flow:
            current[0].rival = None
        if flow.table is not None:
            del flow.table[flow.number]
            flow.table = None
        if flow.rival is not None and flow.rival.table is not None:
            self._register(flow.rival)

    def expired(self, now: float) -> Iterator[Flow]:
        """Takes out the flows that were idle for too long. Call about once a second."""
        if self._openings is not None:
            self._openings.listen()
        timeouts = self._settings.timeouts
        limits = ((self._tcp, timeouts.tcp), (self._closing, timeouts.closing), (self._other, timeouts.other))
        for table, limit in limits:
            while table:
                flow = next(iter(table.values()))
                if now - flow.last <= limit:
                    break
                self.remove(flow)
                yield flow

    def all(self) -> list[Flow]:
        return [*self._tcp.values(), *self._closing.values(), *self._other.values()]

    def shift(self, seconds: float) -> None:
        """The clock was set: idle times stay what they were."""
        for flow in self.all():
            flow.last += seconds
        if self._ended is not None:
            self._ended.shift(seconds)

    def _connection(self, flow: Flow, to_server: bool, packet: Packet) -> tuple[Flow, bool] | None:  # noqa: FBT001 - a direction, as everywhere
        """Whose packet it is, of the two connections known between these ports; None if a new one begins.

        Whoever can send one packet with other numbers must not make the unit forget a connection that goes on, nor take
        what comes next in it for something else: so the numbers decide, and between equals who was answered already.
        """
        rival = flow.rival
        if rival is None or rival.table is None:
            return (flow, to_server) if self._belongs(flow, packet, to_server=to_server) else None
        ways = {flow: to_server, rival: rival.way == _way(packet)}
        theirs = [each for each in ways if self._belongs(each, packet, to_server=ways[each])]
        if not theirs:
            return None
        chosen = max(theirs, key=lambda each: _claim(each, packet, to_server=ways[each]))
        if chosen is rival:
            flow.rival, rival.rival = None, flow
            self._register(rival)
        return chosen, ways[chosen]

    def _belongs(self, flow: Flow, packet: Packet, *, to_server: bool) -> bool:
        """Its numbers are of this connection, or of none that can be told."""
        own = flow.halves[to_server].stream
        if packet.flags & SYN:
            opens = packet.flags & (ACK | RST) == 0
            known = not own.begun or own.position(packet.sequence + 1) == 0
            return not opens or (known and flow.table is not self._closing)
        if packet.sequence == own.expected or not packet.payload:
            return True
        # Where it begins is known, what it acknowledges proves nothing: a server that remembers an old connection goes on
        # from its numbers.
        if own.begun:
            return own.is_near(packet.sequence)
        other = flow.halves[not to_server].stream
        return other.is_near(packet.acknowledgement) if other.begun else flow.rival is None

    def _make_room(self, way: Way) -> Flow | None:
        """The flow that is given up for a new one: of two between the same ports the one that nobody answered, for it may
        be forged, or else the older one.
        """
        known = self._ways.get(way)
        if known is None or known[0].rival is None:
            return self._evict()
        flow = known[0] if _is_one_sided(known[0]) else known[0].rival
        self.remove(flow)
        return flow

    def _evict(self) -> Flow | None:
        if len(self) < self._settings.flows:
            return None
        table = self._closing or self._other or self._tcp
        flow = next(iter(table.values()))
        self.remove(flow)
        self.evicted += 1
        return flow

    def _open(self, packet: Packet, way: Way, now: float, *, from_inside: bool) -> tuple[Flow, bool]:
        to_server, opening = self._opening(packet, way)
        ended = self._goes_on(packet, way, now, begins=opening is not None and to_server)
        if ended is not None:
            to_server, opening = ended[0], None
        client, client_port, server, server_port, protocol = way if to_server else _turned(way)
        facts = FlowFacts(
            packet.protocol_name, client, server, client_port, server_port, from_inside == to_server
        )
        facts.begun = now
        flow = Flow(self._number, facts, (client, client_port, server, server_port, protocol), now)
        self._number += self._step
        if opening:
            flow.opening = HANDSHAKE
            for half, first in zip(flow.halves, (opening.server, opening.client), strict=True):
                half.stream.begin(first)
        if ended is not None:
            flow.ended = flow.reset = True
            for half, following in zip(flow.halves, (ended[1].server, ended[1].client), strict=True):
                if following is not None:
                    half.stream.begin(following)
        before = self._ways.get(flow.way)
        flow.rival = before[0] if before is not None else None
        self._register(flow)
        over = self._closing if flow.ended else self._tcp
        self._put(flow, over if packet.protocol == TCP else self._other)
        return flow, to_server

    def _goes_on(self, packet: Packet, way: Way, now: float, *, begins: bool) -> tuple[bool, Ends] | None:
        """Whether an unknown flow's first packet goes to its server, and what would go on, if that was ended.

        `begins`: a client says the first of a connection whose handshake was seen. That a server begins one proves nothing:
        it can answer without having been asked.
        """
        if self._ended is None or packet.protocol != TCP:
            return None
        for to_server in (True, False):
            key = way if to_server else _turned(way)
            ends = self._ended.near(key, packet.sequence, now, to_server=to_server)
            if ends is not None and (begins or packet.flags & SYN):
                self._ended.forget(key)
            elif ends is not None:
                return to_server, ends
        return None

    def _opening(self, packet: Packet, way: Way) -> tuple[bool, Opening | None]:
        """Whether the flow's first packet goes to its server, and where it begins, if that is known."""
        if self._openings is not None and packet.protocol == TCP and not packet.flags & SYN:
            for to_server in (True, False):
                opening = self._openings.take(way if to_server else _turned(way))
                if opening and (packet.sequence - opening[not to_server]) % (1 << 32) < _PLAUSIBLE:
                    return to_server, opening
        return _goes_to_server(packet), None

    def _register(self, flow: Flow) -> None:
        self._ways[_turned(flow.way)] = (flow, False)
        self._ways[flow.way] = (flow, True)

    @staticmethod
    def _put(flow: Flow, table: "OrderedDict[int, Flow]") -> None:
        table[flow.number] = flow
        flow.table = table


def _way(packet: Packet) -> Way:
    return (packet.source, packet.source_port, packet.destination, packet.destination_port, packet.protocol)


def _turned(way: Way) -> Way:
    return (way[2], way[3], way[0], way[1], way[4])


def _claim(flow: Flow, packet: Packet, *, to_server: bool) -> tuple[int, bool]:
    """How well the packet's numbers fit: at the next byte, near it, near it but before all that is known."""
    own = flow.halves[to_server].stream
    fits = 0
    if packet.sequence == own.expected:
        fits = 3
    elif own.begun and own.is_near(packet.sequence):
        fits = 1 + (own.position(packet.sequence) >= 0)
    return fits, not _is_one_sided(flow)


def _is_one_sided(flow: Flow) -> bool:
    return not (flow.facts.to_server_packets and flow.facts.to_client_packets)


def _goes_to_server(packet: Packet) -> bool:
    """Of the first packet seen of a flow."""
    if packet.protocol == TCP:
        if packet.flags & SYN:
            return not packet.flags & ACK
        if _FROM_CLIENT.match(packet.payload):
            return True
        if _FROM_SERVER.match(packet.payload):
            return False
    return not packet.source_port < 1024 <= packet.destination_port
