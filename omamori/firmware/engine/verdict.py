"""What the engine answers for each packet. The bridge process turns it into a queue verdict; nothing else drops."""

from dataclasses import dataclass, field
from typing import TypeAlias

from omamori.protocol.reasons import Dropped
from omamori.protocol.vocabulary import Guard


@dataclass(frozen=True, slots=True)
class Reply:
    """An IP packet of our own for one end of a flow, complete with checksums."""

    packet: bytes
    onward: bool = False
    """True: to the receiver of the stopped packet, in its place; False: back to its sender."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Forward this packet; more of the flow must be seen."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Forward, and let the kernel forward the rest of the flow: nothing in it can change the verdict any more."""


@dataclass(frozen=True, slots=True)
class Block:
    """Drop this packet and the rest of its flow in the kernel."""

    reason: str
    guard: Guard | None = field(default=None, compare=False)
    """Who wants it."""
    replies: tuple[Reply, ...] = field(default=(), compare=False)
    """What the two ends are told, in this order. Best effort: the flow is blocked even if none arrives."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop this packet only; the flow goes on."""

    reason: str
    guard: Guard | None = field(default=None, compare=False)
    replies: tuple[Reply, ...] = field(default=(), compare=False)
    cause: Dropped | None = field(default=None, compare=False)
    """What it is counted as; None: the guard."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """Send the packet again through the suspect queue, where segments come one by one and can be rewritten."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Forward this IP packet instead: same length, checksums already right."""

    packet: bytes


Verdict: TypeAlias = Pass | Decided | Block | Drop | Suspect | Rewrite

PASS = Pass()
DECIDED = Decided()
SUSPECT = Suspect()
