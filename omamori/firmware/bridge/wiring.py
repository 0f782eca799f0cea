"""Where the data path sits and how patient it is: plain data."""

from dataclasses import dataclass
from typing import Final

from omamori.firmware.host.rules import KINDS, Queues

EVERYTHING: Final = "all traffic"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    load: float = 120.0
    """A pack that takes longer is no use."""
    silence: float = 0.6
    """A worker without a sign of life for so long hangs, unless it merely got no processor time."""
    starved: float = 10.0
    """After so long it is killed in any case."""
    drain: float = 60.0
    """How long replaced workers keep their flows at most."""
    quiet: float = 5.0
    """Replaced workers that saw no packet for so long are done."""
    farewell: float = 5.0
    status: float = 2.0
    look: float = 10.0
    """Between two looks at what the kernel stopped of blocked flows: each starts a program."""
    crashes: float = 60.0
    """Three crashes of one worker within this make a pack unusable where there is another one."""
    forgive: float = 60.0
    """Where no pack is usable at all, they are tried again after so long."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The bridge, its ports by name and interface index, and which queues to use."""

    bridge: str
    outside: str
    inside: str
    inside_port: int
    outside_port: int
    first_queue: int = 0
    workers: int = 1
    """Eight queue numbers are used for each: four, and as many for the next generation."""
    slowness: float = 1.0
    """Of this machine, as `host/pace.py` says: what waits for inspection may wait so many times longer."""
    memory: int = 256 << 20
    """Bytes that they may need for flows, all together; while a pack is exchanged, the leaving ones as much again."""

    def queues(self, owner: int) -> Queues:
        """Those of the generation with this number, 1 or 2."""
        return Queues(owner, self.first_queue + KINDS * self.workers * (owner - 1), self.workers)

    @property
    def openings(self) -> list[int]:
        """The log groups of all workers of both generations, see `Queues.openings`."""
        return [self.queues(owner).openings(index) for owner in (1, 2) for index in range(self.workers)]

    def name(self, index: int) -> str:
        """Of what one worker inspects."""
        return f"queue {index + 1} of {self.workers}" if self.workers > 1 else EVERYTHING
