"""The loop that inspects: two queues in, one engine, verdicts out.

Packets of one queue are answered in order. An accepted one waits for its neighbours and is answered with them in one
message; any other verdict first sends what waits. An engine that raises lets the packet pass. The worker ends when told
to and its queues are empty, or when its supervisor is gone; it never decides about signatures or rules of the kernel.
"""

import select
import time
from collections.abc import Sequence
from typing import Final, Protocol, assert_never

from omamori.firmware.bridge.report import Counters, Kind, Reporter
from omamori.firmware.engine.verdict import Block, Decided, Drop, Pass, Rewrite, Suspect, Verdict
from omamori.firmware.host.firewall import Mark
from omamori.firmware.host.nfqueue import Answer, PacketQueue, QueuedPacket

_BATCH: Final = 32
"""Packets answered together at most; more would only add delay."""
_ROUND: Final = 256
"""Packets of one queue before the other one and the clock get their turn."""
_BEAT: Final = 0.5
_COMPLAIN: Final = 10.0
"""Seconds between two sentences about a failing engine."""


class Inspector(Protocol):
    """The engine as the worker needs it."""

    def packet(self, data: bytes, *, now: float, from_inside: bool, rewriting: bool) -> Verdict: ...

    def tick(self, now: float) -> None: ...

    def take_messages(self) -> Sequence[bytes]:
        """Detections since the last call, each as a message body without its id."""
        ...


class Worker:
    """One inspector between two queues."""

    def __init__(
        self,
        inspector: Inspector,
        scan: PacketQueue,
        suspect: PacketQueue,
        reporter: Reporter,
        *,
        inside_port: int,
    ) -> None:
        self.counters = Counters()
        self._inspector, self._reporter, self._inside = inspector, reporter, inside_port
        self._scan = _Lane(scan, rewriting=False)
        self._suspect = _Lane(suspect, rewriting=True)
        self._stopping = False
        self._next_beat = 0.0
        self._next_complaint = 0.0

    def stop(self) -> None:
        """End once the queues are empty. Safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Until stopped, or the supervisor is gone."""
        lanes = {lane.queue.fileno(): lane for lane in (self._scan, self._suspect)}
        poll = select.poll()
        for descriptor in (*lanes, self._reporter.fileno()):
            poll.register(descriptor, select.POLLIN)
        while not self._reporter.closed:
            ready = [descriptor for descriptor, _ in poll.poll(0 if self._stopping else 250)]
            if self._stopping and not any(descriptor in lanes for descriptor in ready):
                break
            for descriptor in ready:
                if descriptor in lanes:
                    self._serve(lanes[descriptor])
                else:
                    self._reporter.closed = True
            self._housekeeping()
        self._tell()

    def _serve(self, lane: "_Lane") -> None:
        queue = lane.queue
        for _ in range(_ROUND):
            packet = queue.receive()
            if packet is None:
                break
            self._count(lane, packet)
            self._answer(lane, packet, self._judge(lane, packet))
        lane.flush()
        self._tell()

    def _judge(self, lane: "_Lane", packet: QueuedPacket) -> Verdict:
        try:
            return self._inspector.packet(
                packet.data,
                now=time.time(),
                from_inside=packet.in_port == self._inside,
                rewriting=lane.rewriting,
            )
        except Exception as error:  # noqa: BLE001 - whatever the engine does, traffic passes
            self._complain(error)
            return Pass()

    def _answer(self, lane: "_Lane", packet: QueuedPacket, verdict: Verdict) -> None:
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
                self.counters.blocked += 1
                self.counters.dropped += 1
                lane.answer(packet.id, Answer.REPEAT, mark=Mark.BLOCKED)
            case Drop():
                self.counters.dropped += 1
                lane.answer(packet.id, Answer.DROP)
            case unhandled:
                assert_never(unhandled)

    def _suspected(self, lane: "_Lane", packet: QueuedPacket) -> None:
        """A packet that is in the suspect queue already goes on, or it would come back for ever."""
        if lane.rewriting:
            lane.accept(packet.id)
        else:
            lane.answer(packet.id, Answer.REPEAT, mark=Mark.SUSPECT)

    def _count(self, lane: "_Lane", packet: QueuedPacket) -> None:
        self.counters.packets += 1
        self.counters.missed += lane.gap(packet.id)

    def _complain(self, error: Exception) -> None:
        self.counters.errors += 1
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + _COMPLAIN
            text = f"the engine failed on a packet, which passed ({self.counters.errors} so far): {error!r}"
            self._reporter.send(Kind.LOG, text[:500].encode())

    def _housekeeping(self) -> None:
        now = time.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + _BEAT
        try:
            self._inspector.tick(time.time())
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(error)
        self._tell()
        self._reporter.beat(self.counters)

    def _tell(self) -> None:
        try:
            messages = self._inspector.take_messages()
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(error)
            return
        for message in messages:
            self._reporter.send(Kind.DETECTION, message)
        self._reporter.flush()


class _Lane:
    """One queue and the accepted packets of it that are not answered yet."""

    __slots__ = ("_held", "_last", "_waiting", "queue", "rewriting")

    def __init__(self, queue: PacketQueue, *, rewriting: bool) -> None:
        self.queue, self.rewriting = queue, rewriting
        self._held = 0
        self._waiting = 0
        self._last = 0

    def accept(self, packet: int) -> None:
        self._held = packet
        self._waiting += 1
        if self._waiting >= _BATCH:
            self.flush()

    def answer(
        self, packet: int, answer: Answer, *, mark: int | None = None, payload: bytes | None = None
    ) -> None:
        self.flush()
        self.queue.verdict(packet, answer, mark=mark, payload=payload)

    def flush(self) -> None:
        if self._waiting:
            self.queue.accept_up_to(self._held)
            self._waiting = 0

    def gap(self, packet: int) -> int:
        """Ids between the last packet and this one: the kernel counted them, but no buffer took them."""
        skipped = packet - self._last - 1 if self._last else 0
        self._last = packet
        return max(0, skipped)
