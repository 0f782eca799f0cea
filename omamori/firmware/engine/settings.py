"""What bounds and steers the engine: plain data, safe defaults."""

from dataclasses import dataclass, field
from enum import Enum, auto

from omamori.firmware.engine.block_page import Notice
from omamori.firmware.engine.malware.budget import Confidence


class Mode(Enum):
    """What is done about a match."""

    PREVENT = auto()
    """Rules block as `harm.py` says, listed sites are blocked, malware is overwritten."""
    OBSERVE = auto()
    """Everything is only told; no verdict ever stops or changes a packet."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds without a packet after which a flow is forgotten."""

    tcp: float = 600.0
    closing: float = 15.0
    other: float = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes are bytes, each way of each flow unless said otherwise."""

    mode: Mode = Mode.PREVENT
    repeat: bool = False
    """Tell a rule's match again in each packet and transaction (as a replay does), not once in a flow."""
    state_rules_drop: bool = False
    """A `drop` rule that only keeps state drops, as in Suricata (for a replay). Whole rule sets are turned to `drop` by a word
    and would break sites so."""
    logged_rules: frozenset[int] = frozenset()
    """Rule ids (sid) that are told but do not block."""
    blocked_categories: frozenset[str] = frozenset()
    """Categories of UF and APG that this customer wants blocked; all others are told only."""
    flows: int = 100_000
    """In the table, all together; the longest idle one is forgotten for a new one."""
    stream_depth: int = 1 << 20
    """A flow of an unknown protocol is decided after so much."""
    window: int = 8 << 10
    """How many earlier bytes a stream rule sees before the new ones, at most."""
    datagrams: int = 64
    """A UDP or ICMP exchange that no protocol claims is decided after so many packets; to the port of DNS after `stream_depth`."""
    pending: int = 4 << 20
    """Out-of-order bytes kept, each way of each flow; beyond it a hole is given up. No less than a sender may have under way."""
    pending_overloaded: int = 256 << 10
    """The same while packets pass uninspected: then a hole is likely the unit's own, and will not be filled."""
    pending_total: int = 64 << 20
    """The same over all flows."""
    history_total: int = 32 << 20
    """Delivered and not yet acknowledged bytes kept over all flows, to tell a second copy that differs."""
    checksums: bool = True
    """A segment whose checksum is wrong is not of the stream: no receiver takes it."""
    midstream: bool = True
    """Connections whose opening was not seen are inspected: the data path never shows it."""
    head_limit: int = 64 << 10
    """Of an HTTP head longer than this only the fields are kept that say what is asked for and where the body lies."""
    body_window: int = 128 << 10
    """How much of an HTTP body rules see."""
    file_limit: int = 50 << 20
    """How much of a file the antivirus scans, after decompression; as much again of what is packed in it."""
    archive_depth: int = 16
    """Files within files are looked into so deep."""
    archive_members: int = 2000
    """Files looked at within one file, over all depths."""
    archive_ratio: int = 250
    """Bytes that may come out of a file for each byte of it, beyond the first megabytes."""
    held_file: int = 4 << 20
    """Bytes kept of a file whose format cannot be read in passing (old Office documents)."""
    held_files: int = 64 << 20
    """The same over all flows."""
    malware_confidence: Confidence = Confidence.MEDIUM
    """Matches from here on are overwritten, less sure ones told only: HIGH logs macros and scripts that merely run by themselves, CERTAIN all heuristics."""
    detections: int = 10_000
    """Waiting to be taken out; beyond it the oldest are dropped and counted."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    notice: Notice = field(default_factory=Notice)
    """Whom the page in place of a blocked one says to ask."""
