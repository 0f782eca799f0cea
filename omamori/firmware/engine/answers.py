"""The answer to one packet: what holds for its flow already, or what came of its round through the guards.

Here a packet is stopped, overwritten or left to the kernel, and here that is counted. Nothing looks at its content here.
"""

from typing import Final

from omamori.firmware.engine import ending
from omamori.firmware.engine.checksum import with_payload
from omamori.firmware.engine.flow import Flow, FlowTable
from omamori.firmware.engine.guards import Round
from omamori.firmware.engine.journal import Unspoken
from omamori.firmware.engine.packet import SYN, Packet
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.statistics import Statistics
from omamori.firmware.engine.streams import AFTER_END, TOO_LATE, Streams
from omamori.firmware.engine.verdict import DECIDED, PASS, SUSPECT, Block, Drop, Reply, Rewrite, Verdict
from omamori.protocol.reasons import Dropped
from omamori.protocol.vocabulary import Guard

CONTRADICTS: Final = "other data for bytes that were sent before, in fragments or through a tunnel"
_CAUSES: Final = {CONTRADICTS: Dropped.SEGMENTS, AFTER_END: Dropped.ENDED, TOO_LATE: Dropped.LATE}


class Answers:
    """Of one engine, whose flows, streams and counters these are."""

    def __init__(self, settings: Settings, flows: FlowTable, streams: Streams, counters: Statistics) -> None:
        self._settings, self._flows, self._streams, self._counters = settings, flows, streams, counters
        self.unspoken = Unspoken()
        """Packets that were stopped without a detection."""

    def overlapping(self, reason: str) -> Verdict:
        """Its fragments tell two stories."""
        if self._settings.mode is not Mode.PREVENT:
            return PASS
        self._counters.blocked += 1
        self.unspoken.add(reason)
        return Drop(reason, Guard.IPS, cause=Dropped.FRAGMENTS)

    def standing(self, flow: Flow, packet: Packet, *, rewriting: bool, bare: bool) -> Verdict | None:
        """The verdict of a flow that has one already. `bare`: the packet is on the wire as it is."""
        if flow.blocked:
            self._counters.blocked += 1
            return Block(flow.blocked, replies=ending.resets(flow, packet) if bare else ())
        if flow.decided:
            return DECIDED
        return SUSPECT if flow.suspect and not rewriting else None

    def of(self, turn: Round, packet: Packet, *, rewriting: bool, fragmented: bool) -> Verdict:
        """All guards have looked at it. `fragmented`: it is not on the wire as it is."""
        flow = turn.flow
        if turn.silent:
            self._counters.silent += turn.silent
            self.unspoken.add(turn.block or turn.drop)
        if turn.suspect and fragmented:
            turn.block = (
                turn.block or "a packet that must be overwritten, but came in fragments or through a tunnel"
            )
        if turn.block or turn.drop:
            return self._stopped(
                turn, () if fragmented else ending.replies(turn, packet, self._settings.notice)
            )
        if flow.suspect:
            return self._overwritten(turn, packet, fragmented=fragmented) if rewriting else SUSPECT
        if flow.decided:
            self._streams.let_go(flow)
            self._flows.closing(flow)
            return DECIDED
        return PASS

    def _stopped(self, turn: Round, replies: tuple[Reply, ...]) -> Verdict:
        self._counters.blocked += 1
        if not turn.block:
            return Drop(turn.drop, turn.by, replies, _CAUSES.get(turn.drop))
        turn.flow.blocked = turn.block
        self._flows.closing(turn.flow)
        return Block(turn.block, turn.by, replies)

    def _overwritten(self, turn: Round, packet: Packet, *, fragmented: bool) -> Verdict:
        half = turn.flow.halves[turn.to_server]
        if not packet.payload or not self._streams.is_sound(packet):
            return PASS
        at = half.stream.position(packet.sequence + bool(packet.flags & SYN))
        # Data that is all old lies a little before the present offset; so does its position.
        first = half.stream.first_seen(at, packet.payload)
        payload = half.overwrites.applied(at, first or packet.payload) or first
        if (
            half.infected
            and at > half.stream.offset
            and not half.overwrites.covers(at, at + len(packet.payload))
        ):
            self._counters.blocked += 1
            why = "out of order in a file that is being overwritten; it will be sent again"
            return Drop(why, Guard.AV, cause=Dropped.UNORDERED)
        if payload is None:
            return PASS
        if fragmented:
            self._counters.blocked += 1
            return Drop("to be overwritten, but it came in fragments", Guard.AV, cause=Dropped.UNMENDABLE)
        self._counters.neutralised += 1
        return Rewrite(with_payload(packet, payload))
