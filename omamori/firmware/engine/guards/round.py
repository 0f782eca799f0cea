"""One packet's round through the guards: what they may look at, and where they write what they want done."""

from omamori.firmware.engine.applications.layer import Content, Context
from omamori.firmware.engine.flow import Flow
from omamori.firmware.engine.packet import Packet
from omamori.protocol.vocabulary import Guard


class Round:
    """One packet's way through the engine (or a flow's end: no packet), and what the guards want done."""

    __slots__ = (
        "began",
        "block",
        "by",
        "category",
        "drop",
        "flow",
        "now",
        "packet",
        "parts",
        "passed",
        "silent",
        "suspect",
        "to_server",
    )

    def __init__(self, flow: Flow, packet: Packet | None, now: float, *, to_server: bool) -> None:
        self.flow = flow
        self.packet = packet
        self.now = now
        self.to_server = to_server
        self.began: list[int | None] = [None, None]
        """Of each direction, where the first bytes lie that this packet (and what had waited for it) brings."""
        self.block = ""
        """Why this packet and the rest of the flow are dropped."""
        self.drop = ""
        """Why this packet alone is dropped."""
        self.passed = False
        """A pass rule matched this packet alone."""
        self.by = Guard.AV
        """Which guard stops it, once one does."""
        self.category = ""
        """Of the site that is blocked, or the class of the rule."""
        self.silent = 0
        """Matches that stop it without being told."""
        self.suspect = False
        """A file is to be overwritten from here on."""
        self.parts: list[tuple[int, Content]] = []
        """What this packet (and what had waited for it) brings of the newest file, each with its offset in the file."""

    def context(self, transaction: int | None = None) -> Context:
        layer = self.flow.layer
        return layer.context(transaction) if layer is not None else Context()


def stop(turn: Round, reason: str, by: Guard, category: str = "", *, packet_only: bool = False) -> None:
    """A resolver's question is dropped alone, for others may follow from the same port; else the whole flow ends."""
    if not turn.block and not turn.drop:
        turn.by, turn.category = by, category
    facts = turn.flow.facts
    if packet_only or (facts.protocol == "udp" and facts.application == "dns"):
        turn.drop = turn.drop or reason
    else:
        turn.block = turn.block or reason
