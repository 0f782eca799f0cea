"""The loop that inspects: queues in, one engine, verdicts out.

Queues take turns, each with its own share of the time (`lane.py`). An engine that raises lets the packet pass, and so does a
packet's age: one that has waited for half a second goes on uninspected, whatever holds the worker up. One of a connection in which
something is overwritten does not: it is inspected, or dropped after two seconds, and sent again. The worker ends when told to and
its queues are empty, or when its supervisor is gone; one that has used up its memory inspects nothing but what is being overwritten
until they are. It never decides about signatures or rules of the kernel.
"""

import select
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from omamori.firmware.bridge.lane import Lane
from omamori.firmware.bridge.last_packet import Exempt, LastPacket
from omamori.firmware.bridge.replies import Replies
from omamori.firmware.bridge.report import Counters, Kind, Reporter
from omamori.firmware.bridge.room import Room
from omamori.firmware.bridge.selftest import ANSWER, QUESTION
from omamori.firmware.engine.checksum import with_payload
from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.packet import parse
from omamori.firmware.engine.verdict import DECIDED, Block, Decided, Drop, Pass, Rewrite, Suspect, Verdict
from omamori.firmware.host.nfqueue import Answer, QueuedPacket
from omamori.firmware.host.rules import PROBE, TAG_SHIFT, Mark
from omamori.protocol.reasons import Dropped

BEAT: Final = 0.2
"""Seconds between two signs of life, at most."""
_ROUND: Final = 256
"""Packets of one queue in one turn, at most."""
STALE: Final = 0.5
"""Seconds a packet may wait for inspection; then it passes without."""
_HOPELESS: Final = 2.0
"""Seconds after which its sender has sent it again, or soon will."""
_AT_ONCE: Final = -1.0
"""In place of `STALE`, for a worker that makes room: nothing may wait, not even no time at all."""
_FUTURE: Final = 3600.0
"""A packet this old is none: the clock was set."""
_COMPLAIN: Final = 10.0
"""Seconds between two sentences about the same trouble."""
_SHED = Pass()
_LATE = Drop("waited too long to be overwritten", cause=Dropped.WAITED)
_OURS: Final = (1 << TAG_SHIFT) - 1
"""Bits of a packet mark; above them is its VLAN tag."""


class Inspector(Protocol):
    """The engine as the worker needs it."""

    def packet(
        self, data: bytes, *, now: float, from_inside: bool | None, rewriting: bool, verified: bool
    ) -> Verdict:
        """`from_inside`: by the port that is meant for the hosts; None: by the radio, where hosts are whichever way the cables are.
        `verified`: its checksum is known to be right.
        """
        ...

    def tick(self, now: float) -> None: ...

    def missed(self, now: float) -> None:
        """Packets that it should have seen, or their ends, passed without it."""
        ...

    def relieve(self, now: float) -> int:
        """Forget part of what is remembered, to need less memory; how many flows."""
        ...

    def uninspected(self) -> Mapping[str, int]:
        """Packets so far that passed without inspection or with less of it, by reason."""
        ...

    def unfollowed(self) -> Mapping[str, int]:
        """Flows so far that were followed no longer, by reason."""
        ...

    def take_messages(self) -> Sequence[bytes]:
        """Detections since the last call, each as a message body without its id."""
        ...


@dataclass(frozen=True, slots=True)
class Caution:
    """What keeps a worker from doing harm."""

    last: LastPacket
    exempt: Exempt
    room: Room
    stale: float = STALE
    """Seconds a packet may wait."""


class Worker:
    """One inspector and its queues."""

    def __init__(
        self,
        inspector: Inspector,
        lanes: Sequence[Lane],
        reporter: Reporter,
        replies: Replies,
        caution: Caution,
        *,
        inside_port: int,
        outside_port: int,
    ) -> None:
        self.counters = Counters()
        self._last, self._exempt, self._room = caution.last, caution.exempt, caution.room
        self._stale = caution.stale
        self._inspector, self._reporter = inspector, reporter
        self._sides = {inside_port: True, outside_port: False, 0: False}
        self._replies = replies
        self._lanes = lanes
        self._stopping = False
        self._next_beat = 0.0
        self._next_complaint: dict[str, float] = {}

    def stop(self) -> None:
        """End once the queues are empty. Safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Until stopped, or the supervisor is gone."""
        lanes = [(lane.queue.fileno(), lane) for lane in self._lanes]
        poll = select.poll()
        for descriptor in (*(number for number, _ in lanes), self._reporter.fileno()):
            poll.register(descriptor, select.POLLIN)
        while not self._reporter.closed:
            ready = {descriptor for descriptor, _ in poll.poll(0 if self._stopping else 1000 * BEAT)}
            if self._reporter.fileno() in ready:
                self._reporter.closed = True
            waiting = [lane for descriptor, lane in lanes if descriptor in ready]
            if self._stopping and not waiting:
                break
            for lane in waiting:
                self._serve(lane)
            self._housekeeping()
        self._tell()
        self._beat()

    def _serve(self, lane: Lane) -> None:
        queue, turn = lane.queue, lane.kind.turn
        until = time.time() + turn
        for _ in range(_ROUND):
            packet = queue.receive()
            if packet is None:
                break
            now = time.time()
            if packet.mark & _OURS >= PROBE:
                self._probe(lane, packet, now)
            else:
                self._count(lane, packet)
                self._answer(lane, packet, self._judge(lane, packet, now))
            if not now < until <= now + turn:  # or the clock was set
                break
        self._last.clear()
        lane.flush()
        self._tell()

    def _judge(self, lane: Lane, packet: QueuedPacket, now: float) -> Verdict:
        age = now - packet.arrived if packet.arrived else 0.0
        if self._stale < age < _FUTURE and not lane.kind.rewriting:
            return self._shed(lane)
        if _HOPELESS < age < _FUTURE:
            return _LATE
        if self._exempt and self._exempt.has(packet.data):
            self.counters.exempt += 1
            return DECIDED
        self._last.note(packet.data)
        try:
            return self._inspector.packet(
                packet.data,
                now=now,
                from_inside=self._sides.get(packet.in_port),
                rewriting=lane.kind.rewriting,
                verified=packet.verified,
            )
        except Exception as error:  # noqa: BLE001 - whatever the engine does, traffic passes
            self._complain(error)
            self._inspector.missed(now)
            return Pass()

    def _probe(self, lane: Lane, packet: QueuedPacket, now: float) -> None:
        """The self-test's packet is inspected like any other, then overwritten; it is not counted as traffic."""
        errors = self.counters.errors
        self._gap(lane, packet)
        self._judge(lane, packet, now)
        if self.counters.errors == errors:
            lane.answer(packet.id, Answer.ACCEPT, payload=_overwritten(packet.data))
        else:
            lane.accept(packet.id)

    def _shed(self, lane: Lane) -> Verdict:
        self.counters.shed += 1
        self._overloaded(lane, 1, "packets that waited too long pass uninspected")
        return _SHED

    def _overloaded(self, lane: Lane, packets: int, what: str) -> None:
        self._inspector.missed(time.time())
        kind, uninspected = lane.kind.name, self.counters.uninspected
        uninspected[kind] = uninspected.get(kind, 0) + packets
        self._say(f"overloaded {kind} {what}", f"overloaded: {what} ({kind})", uninspected[kind])

    def _answer(self, lane: Lane, packet: QueuedPacket, verdict: Verdict) -> None:
        match verdict:
            case Pass():
                lane.accept(packet.id)
            case Decided():
                lane.answer(packet.id, Answer.REPEAT, mark=Mark.DECIDED)
            case Suspect():
                self._suspected(lane, packet)
            case Rewrite(packet=payload):
                self.counters.neutralised += 1
                lane.answer(packet.id, Answer.ACCEPT, payload=payload)
            case Block():
                self.counters.blocked += verdict.guard is not None
                self._stop(lane, packet, verdict)
            case Drop():
                self._stop(lane, packet, verdict)
            case unhandled:
                assert_never(unhandled)

    def _stop(self, lane: Lane, packet: QueuedPacket, verdict: Block | Drop) -> None:
        """The packet goes no further, nor does its flow after a Block; a last word of ours may take its place."""
        self.counters.drop(_why(verdict))
        self.counters.replies += len(verdict.replies)
        instead = self._replies.deliver(packet, verdict.replies) if verdict.replies else None
        if isinstance(verdict, Block):
            mark = Mark.BLOCKED if instead is None else Mark.REFUSED
            lane.answer(packet.id, Answer.REPEAT, mark=mark, payload=instead)
        elif instead is None:
            lane.answer(packet.id, Answer.DROP)
        else:
            lane.answer(packet.id, Answer.ACCEPT, payload=instead)

    def _suspected(self, lane: Lane, packet: QueuedPacket) -> None:
        """A packet that is in the suspect queue already goes on, or it would come back for ever."""
        if lane.kind.rewriting:
            lane.accept(packet.id)
        else:
            lane.answer(packet.id, Answer.REPEAT, mark=Mark.SUSPECT)

    def _count(self, lane: Lane, packet: QueuedPacket) -> None:
        self.counters.packets += 1
        if not packet.whole:
            self.counters.cut += 1
            self._inspector.missed(time.time())
        self._gap(lane, packet)
        self._replies.seen(packet)

    def _gap(self, lane: Lane, packet: QueuedPacket) -> None:
        missed = lane.gap(packet.id)
        if missed:
            self.counters.missed += missed
            self._overloaded(lane, missed, "packets that no queue had room for pass uninspected")

    def _complain(self, error: Exception) -> None:
        self.counters.errors += 1
        self._say("engine", f"the engine failed on a packet, which passed: {error!r}", self.counters.errors)

    def _say(self, trouble: str, text: str, count: int) -> None:
        """Not too often."""
        now = time.monotonic()
        if now >= self._next_complaint.get(trouble, 0.0):
            self._next_complaint[trouble] = now + _COMPLAIN
            self._reporter.send(Kind.LOG, f"{text[:480]} ({count} so far)".encode())

    def _housekeeping(self) -> None:
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT
        try:
            self._inspector.tick(time.time())
            if self._room.is_short():
                self._relieve()
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(error)
        self._tell()
        self._beat()

    def _beat(self) -> None:
        self.counters.overlooked = self._inspector.uninspected()
        self.counters.unfollowed = self._inspector.unfollowed()
        self._reporter.beat(self.counters)

    def _relieve(self) -> None:
        """Flows are forgotten first; if that frees too little, the supervisor forks a new worker."""
        if self._room.is_hopeless():
            if self._stopping:
                return
            self._reporter.send(Kind.LOG, b"a worker has used up its memory and makes room for a new one")
            self._stopping = True
            self._stale = _AT_ONCE  # under constant load its queues would never be empty
            return
        self._say("memory", "short of memory: idle flows are forgotten", self._inspector.relieve(time.time()))

    def _tell(self) -> None:
        try:
            messages = self._inspector.take_messages()
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(error)
            return
        for message in messages:
            self._reporter.send(Kind.DETECTION, message)
        self._reporter.flush()


def _why(verdict: Block | Drop) -> str:
    """What it is counted as."""
    cause = verdict.cause if isinstance(verdict, Drop) else None
    return (cause or verdict.guard or Dropped.BLOCKED_FLOW).value


def _overwritten(data: bytes) -> bytes:
    """The self-test's packet with the answer in place of the question."""
    try:
        whole = parse(data)
    except PacketError:
        return data
    return with_payload(whole, whole.payload.replace(QUESTION, ANSWER))
