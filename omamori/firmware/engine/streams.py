"""TCP connections as their receivers take them: whose segments count, in which order, and what was seen first.

An attacker may send what only the unit takes for real: segments that die on the way, resets and ends out of place, a byte
marked urgent, other data for bytes that were sent already. So a reset counts only at exactly the expected number (RFC 5961), and what goes on after it is inspected or stopped (`ended.py`),
an end only at or after it, and what comes after an end is kept from a receiver that may not have got it; an urgent byte is left out as receivers do (RFC 6093), and where a byte is sent twice and differs
the first one stands: a later packet that differs is set right. Linux leaves out only the newest urgent byte, so an earlier one that its
application had not read by then stays in band there; nobody outside can know that, and here it is left out, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from omamori.firmware.engine.checksum import is_sound
from omamori.firmware.engine.flow import Flow
from omamori.firmware.engine.packet import ACK, FIN, RST, SYN, URG, Packet
from omamori.firmware.engine.reassembly import LEAST_KEPT, MOST_KEPT, Piece, Reassembly
from omamori.firmware.engine.settings import Mode, Settings

OVERLAP_DIFFERS = "reassembly_overlap_different_data"
RESET_OUT_OF_PLACE = "suspected_rst_inject"
END_OUT_OF_PLACE = "fin_out_of_window"
AFTER_END: Final = "data after its sender had said that nothing more comes"
TOO_LATE: Final = "data that come after the unit stopped to wait for them"
OVERLOADED: Final = 60.0
"""Seconds after a packet passed uninspected in which holes are taken for the unit's own."""
_URGENT_REACH = 1 << 16
"""An urgent byte awaited further ahead may be of a segment beyond the receiver's window, which it never took."""
NO_EVENTS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Segment:
    """A packet, before its data is taken."""

    again: bool
    """All its data was taken before."""
    differs: bool
    """Some of its data was sent before, and other data then: it is to be set right. Never where nothing is changed."""
    sound: bool = True
    """A receiver would take it."""
    stopped: str = ""
    """Why no receiver may get it: of two, one might take it, and its data cannot be inspected. Never where nothing is changed."""
    events: frozenset[str] = NO_EVENTS
    """Suricata's names of what is odd about it (`stream-event`)."""


_IN_ORDER = Segment(again=False, differs=False)
_UNSOUND = Segment(again=False, differs=False, sound=False)
_AFTER_END = Segment(again=False, differs=False, stopped=AFTER_END)
_TOO_LATE = Segment(again=False, differs=False, stopped=TOO_LATE)


class Streams:
    """Both directions of all connections: bounds what is kept over all of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prevents = settings.mode is Mode.PREVENT
        self._missed = -OVERLOADED
        self._held = 0
        """Out-of-order bytes."""
        self.kept = 0
        """Taken bytes that are kept for comparison."""

    def arrive(self, flow: Flow, packet: Packet, *, to_server: bool) -> Segment:
        """Where it lies. Call for each packet first."""
        own, other = flow.halves[to_server].stream, flow.halves[not to_server].stream
        if (packet.payload or packet.flags & (RST | FIN | URG)) and not self.is_sound(packet):
            return _UNSOUND
        if flow.ended and packet.payload:
            return _AFTER_END
        if packet.flags & SYN:
            flow.opening = max(flow.opening, 2 if packet.flags & ACK else 1)
        elif flow.opening == 0:
            flow.facts.established = self._settings.midstream
        elif flow.opening >= 2 and (to_server or flow.opening == 3):
            # The acknowledgement that completes the handshake is not yet of the established connection, as in Suricata.
            flow.facts.established = flow.opening == 3 or bool(packet.payload)
            flow.opening = 3
        first, data = _first(packet), packet.payload
        if own.expected is None:
            own.begin(first)
        if other.expected is None and packet.flags & ACK:
            other.begin(packet.acknowledgement)
        at = own.offset if first == own.expected else own.position(first)
        _measure(flow, at + len(data) + 1 + bool(packet.flags & FIN), to_server=to_server)
        if own.finished_at is not None and own.disproves_end(at, len(data)):
            if own.finished and self._prevents:
                return _AFTER_END
            own.finished_at = None
        if own.given_up and self._prevents and own.is_given_up(at, len(data)):
            return _TOO_LATE
        if data and at == own.offset and not own.held and not packet.flags & (RST | FIN):
            return _IN_ORDER
        if not data:
            if packet.flags & URG:
                _mark_urgent(own, packet)
            return Segment(
                again=False, differs=False, events=_out_of_place(flow, packet, to_server=to_server)
            )
        differs = (at < own.offset or own.held > 0) and own.first_seen(at, data) is not None
        events = _out_of_place(flow, packet, to_server=to_server) if packet.flags & (RST | FIN) else NO_EVENTS
        if differs:
            events |= {OVERLAP_DIFFERS}
        return Segment(at + len(data) <= own.offset, differs and self._prevents, events=events)

    def is_sound(self, packet: Packet) -> bool:
        """A receiver would take it."""
        return packet.verified or not self._settings.checksums or is_sound(packet)

    def acknowledged(self, flow: Flow, packet: Packet, now: float, *, to_server: bool) -> list[Piece]:
        """What of the other direction can be taken now that this packet says it was received."""
        other, unseen = flow.halves[not to_server].stream, self._is_overloaded(now)
        if not packet.flags & ACK or not (other.held or other.kept or unseen):
            return []
        held, kept = other.held, other.kept
        pieces = other.acknowledged(packet.acknowledgement, unseen=unseen)
        self._account(other.held - held, other.kept - kept)
        return _in_band(other, pieces)

    def missed(self, now: float) -> None:
        """Packets, of whatever flow, passed uninspected."""
        self._missed = now

    def shift(self, seconds: float) -> None:
        """The clock was set."""
        self._missed += seconds

    def take(self, flow: Flow, packet: Packet, now: float, *, to_server: bool) -> list[Piece]:
        """What can be taken now of its own direction."""
        stream = flow.halves[to_server].stream
        held, kept = stream.held, stream.kept
        if packet.flags & URG:
            _mark_urgent(stream, packet)
        limit, strict = self._patience(now)
        stream.room = self._room()
        pieces = stream.push(_first(packet), packet.payload, limit, strict=strict)
        self._account(stream.held - held, stream.kept - kept)
        return _in_band(stream, pieces)

    def _patience(self, now: float) -> tuple[int, bool]:
        """How many out-of-order bytes of a direction are kept, and whether a hole given up beyond that stays one for the receiver."""
        if self._held >= self._settings.pending_total:
            return 0, False
        overloaded = self._is_overloaded(now)
        return (self._settings.pending_overloaded if overloaded else self._settings.pending), not overloaded

    def _is_overloaded(self, now: float) -> bool:
        return abs(now - self._missed) < OVERLOADED

    def _room(self) -> int:
        """What one direction may keep for comparison: up to half of what is left, so that many share it and one has much."""
        return min(MOST_KEPT, LEAST_KEPT + max(0, self._settings.history_total - self.kept) // 2)

    def is_over(self, flow: Flow, packet: Packet, *, to_server: bool) -> bool:
        """Nothing more is expected of the connection."""
        own = flow.halves[to_server].stream
        if own.finished_at is None and not packet.flags & (FIN | RST):
            return False
        if packet.flags & FIN:
            own.finish(_first(packet) + len(packet.payload))
        if packet.flags & RST:
            exact = own.position(packet.sequence) in (own.offset, own.offset - len(packet.payload))
            # Of a connection of which nothing was seen its own numbers would be the expected ones.
            flow.reset |= exact and any(half.stream.offset for half in flow.halves)
            return exact
        return own.finished and flow.halves[not to_server].stream.finished

    def is_settled(self, flow: Flow) -> bool:
        """Both ends said that they have nothing more to send, and that they have everything."""
        return all(half.stream.finished and not half.stream.kept for half in flow.halves)

    def forget(self, flow: Flow) -> None:
        """The flow is no longer known."""
        self._account(-sum(half.stream.held for half in flow.halves), 0)
        self.forget_taken(flow)

    def forget_taken(self, flow: Flow) -> None:
        """What is sent again on it is no longer compared."""
        for half in flow.halves:
            self._account(0, -half.stream.kept)
            half.stream.forget()

    def let_go(self, flow: Flow) -> None:
        """Nothing of it is looked at any more: what was kept to look back at is freed at once."""
        self.forget_taken(flow)
        for half in flow.halves:
            half.tail = b""
        flow.layer, flow.undetected = None, [None, None]

    def is_full(self) -> bool:
        """So much is kept for comparison that there is little left for others: time to `share`."""
        return self.kept > self._settings.history_total // 8 * 7

    def share(self, flows: Iterable[Flow]) -> None:
        """Until half of what may be kept is left: those with much keep less, and if that is too little, nobody keeps any."""
        flows, room = list(flows), MOST_KEPT
        while self.kept > self._settings.history_total // 2 and room > LEAST_KEPT:
            room //= 2
            for flow in flows:
                for half in flow.halves:
                    kept = half.stream.kept
                    half.stream.trim(room)
                    self._account(0, half.stream.kept - kept)
        if self.is_full():
            for flow in flows:
                self.forget_taken(flow)

    def _account(self, held: int, kept: int) -> None:
        self._held += held
        self.kept += kept


def _measure(flow: Flow, sequence: int, *, to_server: bool) -> None:
    facts = flow.facts
    if to_server:
        facts.to_server_sequence = max(facts.to_server_sequence, sequence)
    else:
        facts.to_client_sequence = max(facts.to_client_sequence, sequence)


def _mark_urgent(stream: Reassembly, packet: Packet) -> None:
    """As `tcp_check_urg` of Linux: the byte before the pointer, the first where it is 0; none that came, nor one before another awaited."""
    at, awaited = stream.position(_first(packet)) + max(packet.urgent - 1, 0), stream.urgent
    if at < stream.offset or (awaited is not None and at <= awaited <= stream.offset + _URGENT_REACH):
        return
    stream.urgent = at


def _in_band(stream: Reassembly, pieces: list[Piece]) -> list[Piece]:
    if stream.urgent is None:
        return pieces
    return [part for piece in pieces for part in stream.in_band(piece)]


def _first(packet: Packet) -> int:
    """The sequence number of its first byte of data."""
    return packet.sequence + bool(packet.flags & SYN)


def _out_of_place(flow: Flow, packet: Packet, *, to_server: bool) -> frozenset[str]:
    own = flow.halves[to_server].stream
    at = own.position(packet.sequence)
    if packet.flags & RST and at != own.offset:
        return frozenset((RESET_OUT_OF_PLACE,))
    if packet.flags & FIN and at + len(packet.payload) < own.offset:
        return frozenset((END_OUT_OF_PLACE,))
    return NO_EVENTS
