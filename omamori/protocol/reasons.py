"""Why a packet was stopped, or passed without inspection: the words that units count by and people read.

`BridgeState` carries counts under these words. A newer unit may send words that are not here; whoever shows them shows them as
they are. Guards' own names (`ips`, `av`, `wg`, `uf`, `apg`) are reasons of dropped packets, too.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

MOST: Final = 32
"""Different reasons that a reader keeps of one kind; there are far fewer words."""
LONGEST: Final = 60
"""Characters of a reason that a reader keeps."""


class Dropped(StrEnum):
    """Beside the guards' names: why a packet did not go on."""

    BLOCKED_FLOW = "blocked flow"
    KERNEL = "blocked flow, in the kernel"
    FRAGMENTS = "fragments that contradict each other"
    SEGMENTS = "other data for bytes sent before"
    ENDED = "data after the end"
    LATE = "data after it was waited for"
    UNORDERED = "out of order in malware"
    UNMENDABLE = "malware in fragments"
    WAITED = "waited too long in malware"


class Uninspected(StrEnum):
    """Why a packet went on without inspection, or with less of it than others."""

    QUEUE_FULL = "queue full"
    WAITED = "waited too long"
    NO_WORKER = "no worker"
    ENGINE_FAILED = "engine failed"
    EXEMPT = "flow that ended a worker"
    INVALID = "not a valid packet"
    CUT = "longer than the kernel copies"
    FRAGMENTS = "fragments without the rest"
    CHECKSUM = "wrong checksum"
    WRAPPED = "two VLAN tags"


class Unfollowed(StrEnum):
    """Why a flow was no longer followed; counted are flows, and of holes each hole."""

    STREAM_LIMIT = "stream limit"
    TABLE_FULL = "flow table full"
    MEMORY = "memory short"
    HOLE = "hole in a stream"


EXPLAINED: Final[Mapping[str, str]] = {
    Dropped.BLOCKED_FLOW: "of a flow that a guard had blocked; the unit answered it",
    Dropped.KERNEL: "the same, stopped by the kernel before any inspection",
    Dropped.FRAGMENTS: "fragments of one packet said different things; receivers differ on which they take",
    Dropped.SEGMENTS: "a second copy with other content that could not be set right",
    Dropped.ENDED: "its sender had said that nothing more comes; receivers differ on whether they take it",
    Dropped.LATE: "so much came before it that what came was inspected without it",
    Dropped.UNORDERED: "came early in a file that is being overwritten; the sender sends it again",
    Dropped.UNMENDABLE: "had to be overwritten, but came in fragments",
    Dropped.WAITED: "of a connection in which malware is overwritten, and too late to be of use; the sender sends it again",
    Uninspected.QUEUE_FULL: "more came than the queue had room for",
    Uninspected.WAITED: "waited for inspection for longer than a packet may",
    Uninspected.NO_WORKER: "nobody inspected: before the first pack, or until a worker that ended was replaced; "
    "the few that waited at that worker are among them, and were lost",
    Uninspected.ENGINE_FAILED: "the engine raised on it",
    Uninspected.EXEMPT: "of a flow whose packet had ended a worker before",
    Uninspected.INVALID: "no IP packet, or one whose lengths cannot be",
    Uninspected.CUT: "only its beginning was inspected",
    Uninspected.FRAGMENTS: "the other fragments of it never came, or were too many",
    Uninspected.CHECKSUM: "receivers refuse it, so its data was not taken for the connection's",
    Uninspected.WRAPPED: "in two VLAN tags or more, or in one older than 802.1ad: the kernel shows them to no rule",
    Unfollowed.STREAM_LIMIT: "a protocol nobody knows, for longer than streams are looked at",
    Unfollowed.TABLE_FULL: "more flows at once than the unit remembers",
    Unfollowed.MEMORY: "forgotten, idle, because memory was short",
    Unfollowed.HOLE: "bytes of a connection that never passed the unit, or too late",
}
"""What each word means, for an operator."""
