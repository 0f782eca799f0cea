"""The engine: a packet in, a verdict out.

State of a flow is touched once for each byte of it: a packet that comes a second time (a retransmission, or the same bytes
again through the suspect queue after the answer Suspect) changes nothing, and is overwritten exactly as the first time.
Nothing stops a packet but a guard's match: what cannot be parsed passes.
"""

from collections.abc import Mapping, Sequence

from omamori.firmware.engine import tunnel
from omamori.firmware.engine.answers import CONTRADICTS, Answers
from omamori.firmware.engine.applications import detect
from omamori.firmware.engine.applications.giving_way import GivesWay
from omamori.firmware.engine.applications.layer import (
    ConnectionExpected,
    Content,
    Event,
    LoginRefused,
    MailText,
    Message,
    SiteAsked,
    told_again,
)
from omamori.firmware.engine.conduct import Conduct, Orders
from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.expected import ExpectedConnections
from omamori.firmware.engine.flow import Flow, FlowTable
from omamori.firmware.engine.fragments import Fragments, OverlapError
from omamori.firmware.engine.guards import MalwareGuard, PasswordGuard, Round, RuleGuard, SiteGuard
from omamori.firmware.engine.inspection import FlowFacts, Inspection, Moment
from omamori.firmware.engine.journal import Journal, Numbering, Sighting
from omamori.firmware.engine.opening import Openings
from omamori.firmware.engine.packet import TCP, UDP, Packet, oddities, parse
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.recognition import Recognition
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.engine.statistics import Statistics
from omamori.firmware.engine.streams import NO_EVENTS, Streams
from omamori.firmware.engine.verdict import PASS, Block, Drop, Verdict
from omamori.protocol.messages import Detection

_DNS = 53
"""Its port."""
_CLOCK_JUMP = 3600.0
"""Seconds between two packets or ticks beyond which the clock was set rather than the network silent."""


class Engine:
    """Inspection of all flows of one worker. Not for concurrent use."""

    def __init__(
        self,
        signatures: Signatures | None = None,
        settings: Settings | None = None,
        numbering: Numbering | None = None,
        openings: Openings | None = None,
    ) -> None:
        """`openings`: asked where connections begin whose handshake does not come here."""
        self.settings = settings or Settings()
        self._signatures = signatures or Signatures()
        self._needs = self._signatures.needs
        numbering = numbering or Numbering()
        self._flows = FlowTable(self.settings, first=numbering.first, step=numbering.step, openings=openings)
        self._fragments = Fragments(strict=self.settings.mode is Mode.PREVENT)
        self._journal = Journal(self.settings, numbering)
        self._conduct = Conduct(self.settings)
        self._rules = RuleGuard(self.settings, self._journal, self._conduct)
        self._sites = SiteGuard(self._journal, self._conduct)
        self._passwords = PasswordGuard(self._journal, self._conduct)
        self._malware = MalwareGuard(self.settings, self._journal, self._conduct)
        self._counters = Statistics()
        self._expected = ExpectedConnections()
        self._recognition = Recognition(self.settings, self._expected)
        self._streams = Streams(self.settings)
        self._answers = Answers(self.settings, self._flows, self._streams, self._counters)
        self._clock: float | None = None

    # --- the interface

    def packet(
        self,
        data: bytes | memoryview,
        *,
        now: float,
        from_inside: bool,
        rewriting: bool = False,
        verified: bool = False,
    ) -> Verdict:
        """What becomes of an IP packet that came from the LAN side (`from_inside`) or the router side.

        `rewriting` says that the answer Rewrite can be carried out; elsewhere Suspect asks for the packet again so. `verified`: its
        checksum need not be looked at.
        """
        self._counters.packets += 1
        self._counters.bytes += len(data)
        return self._one(data, now, from_inside=from_inside, rewriting=rewriting, verified=verified)

    def missed(self, now: float) -> None:
        """Packets passed without this engine, of flows unknown: for a while holes in streams are taken for that."""
        self._set_clock(now)
        self._streams.missed(now)

    def tick(self, now: float) -> None:
        """Call about once a second: forgets idle flows."""
        self._set_clock(now)
        for flow in self._flows.expired(now):
            self._end(flow, now)
        self._fragments.tick(now)
        if self._streams.is_full():
            self._streams.share(self._flows.all())

    def relieve(self, now: float) -> int:
        """Forgets a quarter of all flows, to have less memory: first those that are over, then the longest idle; how many."""
        flows = sorted(self._flows.all(), key=lambda flow: (not self._flows.is_over(flow), flow.last))
        forgotten = flows[: len(flows) // 4 + 1]
        for flow in forgotten:
            self._counters.relieved += not self._flows.is_over(flow)
            self._flows.remove(flow)
            self._end(flow, now)
        return len(forgotten)

    def flush(self, now: float) -> None:
        """Ends every flow: what was waiting for more bytes is inspected as it is."""
        for flow in self._flows.all():
            self._flows.remove(flow)
            self._end(flow, now)

    def exchange(self, signatures: Signatures) -> None:
        """From the next packet on, these are looked for; flows go on, and what was blocked stays blocked."""
        self._signatures = signatures
        self._needs = signatures.needs

    def obey(self, orders: Orders) -> None:
        """From the next match on, this policy holds."""
        self._conduct.obey(orders)

    def take_detections(self) -> list[Detection]:
        """What was detected since the last call. Takes from the same store as `take_sightings`."""
        return [sighting.detection for sighting in self.take_sightings()]

    def take_unspoken(self) -> Mapping[str, int]:
        """Why packets were stopped without a detection since the last call, and how many by each reason."""
        return self._answers.unspoken.take()

    def take_sightings(self) -> Sequence[Sighting]:
        """The same with what an event record tells beyond a detection."""
        taken = self._journal.take()
        self._counters.detections += len(taken)
        return taken

    @property
    def statistics(self) -> Statistics:
        counters = self._counters
        counters.flows, counters.flows_evicted = len(self._flows), self._flows.evicted
        counters.fragments = self._fragments.given_up
        counters.detections_lost = self._journal.lost
        return counters

    # --- packets

    def _one(
        self,
        data: bytes | memoryview,
        now: float,
        *,
        from_inside: bool,
        rewriting: bool,
        verified: bool = False,
        depth: int = 0,
    ) -> Verdict:
        """`depth` says in how many tunnels it came."""
        try:
            packet = parse(data)
            packet.verified = verified
            whole = self._fragments.add(packet, now) if packet.is_fragment else packet
        except OverlapError as overlap:
            return self._answers.overlapping(str(overlap))
        except PacketError:
            self._counters.malformed += 1
            return PASS
        if whole is None:
            return PASS
        self._set_clock(now)
        carried = tunnel.inside(whole) if whole.protocol != TCP and depth < tunnel.DEPTH else None
        if carried is not None:
            verdict = self._one(carried, now, from_inside=from_inside, rewriting=True, depth=depth + 1)
            if isinstance(verdict, Block | Drop):
                return Drop(verdict.reason, verdict.guard)
        flow, to_server, old = self._flows.find(whole, now, from_inside=from_inside)
        if old is not None:
            self._end(old, now)
        mendable = whole is packet and depth == 0
        known = self._answers.standing(flow, whole, rewriting=rewriting, bare=mendable)
        if known is not None:
            return known
        turn = Round(flow, whole, now, to_server=to_server)
        if not flow.vetted:
            flow.vetted = True
            self._sites.reached(turn, self._signatures)
        if whole.protocol == TCP:
            self._segment(turn, whole, rewriting=rewriting, mendable=mendable)
        else:
            self._datagram(turn, whole)
        # A tunnel is never decided: what it carries next may be another host's.
        flow.decided = flow.decided and carried is None
        return self._answers.of(turn, whole, rewriting=rewriting, fragmented=not mendable)

    def _segment(self, turn: Round, packet: Packet, *, rewriting: bool, mendable: bool) -> None:
        flow, to_server, streams = turn.flow, turn.to_server, self._streams
        segment = streams.arrive(flow, packet, to_server=to_server)
        if not segment.sound:
            self._counters.unsound += 1
            self._inspect_packet(turn, packet)
            return
        if segment.stopped:
            turn.drop = segment.stopped
            return
        for piece in streams.acknowledged(flow, packet, turn.now, to_server=to_server):
            self._stream(turn, piece, to_server=not to_server)
        if not (rewriting and segment.again):
            flow.facts.count(packet.end, to_server=to_server)
            self._inspect_packet(turn, packet, segment.events)
        if segment.differs and mendable:
            turn.suspect = flow.suspect = True
        elif segment.differs:
            turn.drop = CONTRADICTS
        if packet.payload and self._followed(flow):
            for piece in streams.take(flow, packet, turn.now, to_server=to_server):
                self._stream(turn, piece, to_server=to_server)
        over = streams.is_over(flow, packet, to_server=to_server)
        self._closed(turn, to_server=to_server)
        if over:
            self._flows.closing(flow)
        if over and streams.is_settled(flow):
            self._end(flow, turn.now)
            streams.let_go(flow)

    def _followed(self, flow: Flow) -> bool:
        return self.settings.midstream or bool(flow.opening) or flow.facts.established

    def _datagram(self, turn: Round, packet: Packet) -> None:
        flow, facts = turn.flow, turn.flow.facts
        facts.count(packet.end, to_server=turn.to_server)
        facts.established = bool(facts.to_server_packets and facts.to_client_packets)
        events: Sequence[Event] = ()
        if packet.protocol == UDP and packet.payload:
            layer = flow.layer or detect.of_datagram(packet.payload)
            if layer is not None:
                events = layer.feed(Piece(0, 0, packet.payload), self._needs, to_server=turn.to_server)
                flow.layer = None if layer.lost else layer
                facts.application = "" if layer.lost else layer.name
        self._inspect_packet(turn, packet)
        self._events(turn, events)
        if flow.layer is not None and flow.layer.finished:
            flow.decided = True
        if flow.layer is None and self._is_strange(facts):
            flow.decided = True

    def _is_strange(self, facts: FlowFacts) -> bool:
        """Of an exchange of datagrams that no protocol claims: no more of it need be looked at."""
        if facts.server_port == _DNS:
            # A resolver forgets what it could not read: the query may come behind any number of such.
            return facts.to_server_bytes + facts.to_client_bytes >= self.settings.stream_depth
        return facts.to_server_packets + facts.to_client_packets >= self.settings.datagrams

    def _inspect_packet(self, turn: Round, packet: Packet, events: frozenset[str] = NO_EVENTS) -> None:
        if (
            packet.protocol == TCP
            and turn.flow.halves[turn.to_server].stream.offset > self.settings.stream_depth
        ):
            return
        facts = turn.flow.facts
        buffers = {"payload": [packet.payload]} if packet.payload else {}
        if packet.protocol == TCP and packet.payload and not self._followed(turn.flow):
            # Of a connection that is not followed a packet stands alone: rules over streams see it, too.
            buffers["stream"] = [packet.payload]
        if packet.version == 6 and packet.transport_at > 40:
            events |= oddities(packet)
        before = turn.flow.halves[turn.to_server].tail if packet.protocol == TCP else b""
        inspection = Inspection(
            Moment.PACKET, turn.now, facts, turn.to_server, packet, buffers, events, before=before
        )
        self._rules.inspect(turn, self._signatures, inspection)

    # --- streams

    def _stream(self, turn: Round, piece: Piece, *, to_server: bool) -> None:
        """The next bytes of one direction: to the rules as they are, and to the protocol's parser."""
        flow, half = turn.flow, turn.flow.halves[to_server]
        if turn.began[to_server] is None:
            turn.began[to_server] = piece.offset
        if piece.missing:
            self._counters.holes += 1
        pieces = [(to_server, piece)]
        if flow.layer is None:
            pieces = self._recognition.recognise(flow, piece, turn.now, to_server=to_server)
        self._inspect_stream(turn, piece, to_server=to_server)
        layer = flow.layer
        holed = half.infected and piece.missing > 0
        if holed:
            half.overwrites.add_lost(piece.offset - piece.missing, piece.offset)
        if layer is not None:
            for way, part in pieces:
                self._events(turn, layer.feed(part, self._needs, to_server=way))
        # Asked of those whose files end where a length said before says so.
        follows = getattr(layer, "follows", None) if holed else None
        if follows is not None and not follows(to_server=to_server):
            turn.block = turn.block or "malware in a file of which a part passed unseen"
        if layer is not None and layer.finished and isinstance(layer, GivesWay) and layer.gives_way:
            flow.layer, flow.undetected, flow.failed = None, [b"", b""], [False, False]
        elif layer is not None and layer.finished:
            flow.decided = True
        elif layer is None or layer.lost:
            limited = piece.offset + len(piece.data) >= self.settings.stream_depth
            self._counters.limited += limited and not flow.decided
            flow.decided = limited

    def _closed(self, turn: Round, *, to_server: bool) -> None:
        """One direction of the flow is over; the other may go on."""
        if not turn.flow.halves[to_server].stream.finished:
            return
        # Asked of the type: `isinstance` with a protocol looks at each of its members, for each connection.
        closed = getattr(turn.flow.layer, "closed", None)
        if closed is not None:
            self._events(turn, closed(self._needs, to_server=to_server))

    def _inspect_stream(self, turn: Round, piece: Piece, *, to_server: bool) -> None:
        if "stream" not in self._needs or piece.offset > self.settings.stream_depth:
            return
        half = turn.flow.halves[to_server]
        window = piece.data if piece.missing else half.tail + piece.data
        half.tail = window[-self.settings.window :]
        inspection = Inspection(
            Moment.STREAM,
            turn.now,
            turn.flow.facts,
            to_server,
            turn.packet,
            {"stream": [window]},
            stream_at=piece.offset + len(piece.data) - len(window),
            fresh=len(window) - len(piece.data),
            alone=turn.packet is not None and piece.data is turn.packet.payload,
        )
        self._rules.inspect(turn, self._signatures, inspection)

    def _events(self, turn: Round, events: Sequence[Event]) -> None:
        for number, event in enumerate(events, 1):
            if isinstance(event, Message):
                if number == len(events) or not told_again(event, events[number:]):
                    self._inspect_message(turn, event)
            elif isinstance(event, Content):
                self._malware.content(turn, self._signatures, event)
            elif isinstance(event, MailText):
                self._malware.mail(turn, self._signatures, event)
            elif isinstance(event, SiteAsked):
                self._sites.asked(turn, self._signatures, event)
                self._passwords.asked(turn, self._signatures, event)
            elif isinstance(event, LoginRefused):
                self._passwords.refused(turn)
            elif isinstance(event, ConnectionExpected):
                self._expected.add(event, turn.flow.facts, turn.now)
            else:
                self._malware.unscanned(turn, event)

    def _inspect_message(self, turn: Round, event: Message) -> None:
        buffers = dict(event.buffers)
        halves = turn.flow.halves
        if halves and halves[event.to_server].tail:
            buffers["stream"] = [halves[event.to_server].tail]
        inspection = Inspection(
            Moment.TRANSACTION,
            turn.now,
            turn.flow.facts,
            event.to_server,
            turn.packet,
            buffers,
            event.events,
            complete=event.complete,
            transaction=event.transaction,
            kept=event.kept,
        )
        self._rules.inspect(turn, self._signatures, inspection)

    # --- ends

    def _end(self, flow: Flow, now: float) -> None:
        """The flow was taken out of the table."""
        turn = Round(flow, None, now, to_server=True)
        if flow.layer is not None and not flow.blocked and not flow.decided:
            self._events(turn, flow.layer.end(self._needs))
        self._malware.end(flow)
        self._streams.forget(flow)

    def _set_clock(self, now: float) -> None:
        if self._clock is not None and abs(now - self._clock) > _CLOCK_JUMP:
            self._flows.shift(now - self._clock)
            self._streams.shift(now - self._clock)
        self._clock = now
