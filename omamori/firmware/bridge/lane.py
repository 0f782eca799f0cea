"""The queues of one worker, each with the accepted packets of it that are not answered yet.

Four kinds of traffic wait in four queues and take turns, so that a flood of one kind delays the others by no more than its own
turn and is itself what passes uninspected (decision 0014). A turn ends early where nothing waits, so nothing is kept from
using all the time there is.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from omamori.firmware.host.nfqueue import Answer, PacketQueue

BATCH: Final = 32
"""Packets answered together at most; more would only add delay."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What waits in a queue, and how it is served."""

    name: str
    """For people: `too many of these`."""
    turn: float
    """Seconds that one turn takes at most."""
    buffer: int
    """Bytes of copies that the kernel keeps for us (and counts twice as many); what comes on top passes."""
    rewriting: bool = False


STREAMS: Final = Kind("TCP", turn=0.05, buffer=64 << 20)
REWRITTEN: Final = Kind("TCP to be rewritten", turn=0.05, buffer=64 << 20, rewriting=True)
NAMES: Final = Kind("DNS and QUIC", turn=0.02, buffer=2 << 20)
DATAGRAMS: Final = Kind("datagrams", turn=0.01, buffer=1 << 20)
"""A short queue: what waits in a long one behind a flood would only be late as well."""
KINDS: Final = (STREAMS, REWRITTEN, NAMES, DATAGRAMS)
"""In the order of `Queues.of_worker`, and of the turns."""


class Lane:
    """One queue. Packets are answered in order: any verdict but an accept first sends the accepts that wait."""

    __slots__ = ("_held", "_last", "_waiting", "kind", "queue")

    def __init__(self, queue: PacketQueue, kind: Kind) -> None:
        self.queue, self.kind = queue, kind
        self._held = 0
        self._waiting = 0
        self._last = 0

    def accept(self, packet: int) -> None:
        self._held = packet
        self._waiting += 1
        if self._waiting >= BATCH:
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


def opened(numbers: Sequence[int]) -> tuple[Lane, ...]:
    """A bound queue of each kind. Raises OSError, and then has bound none."""
    with contextlib.ExitStack() as bound:
        lanes = tuple(
            Lane(bound.enter_context(_queue(number, kind)), kind)
            for number, kind in zip(numbers, KINDS, strict=True)
        )
        bound.pop_all()
    return lanes


def _queue(number: int, kind: Kind) -> PacketQueue:
    """Rewriting needs packets as they are on the wire."""
    return PacketQueue(number, gso=not kind.rewriting, buffer=kind.buffer)
