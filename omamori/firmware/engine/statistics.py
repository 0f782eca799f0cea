"""What an engine has done, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from omamori.protocol.reasons import Unfollowed, Uninspected


@dataclass(slots=True)
class Statistics:
    """Counters since the engine was made."""

    packets: int = 0
    bytes: int = 0
    flows: int = 0
    """Now in the table."""
    malformed: int = 0
    blocked: int = 0
    """Packets answered Block or Drop."""
    silent: int = 0
    """Matches that stopped a packet without a detection (`noalert`, or past a threshold); the verdict names the rule."""
    neutralised: int = 0
    """Packets overwritten."""
    detections: int = 0
    detections_lost: int = 0
    flows_evicted: int = 0
    fragments: int = 0
    """Fragments whose packet never became whole, or was too much to keep."""
    unsound: int = 0
    """Segments with a wrong checksum."""
    limited: int = 0
    """Flows of no known protocol, left alone where the depth of streams ended."""
    holes: int = 0
    """Bytes that a stream went on without, as often as that was."""
    relieved: int = 0
    """Flows forgotten to have less memory."""

    def uninspected(self) -> Mapping[str, int]:
        """Packets that were not inspected in full, by reason; what never happened is left out."""
        found = {
            Uninspected.INVALID: self.malformed,
            Uninspected.FRAGMENTS: self.fragments,
            Uninspected.CHECKSUM: self.unsound,
        }
        return {reason.value: count for reason, count in found.items() if count}

    def unfollowed(self) -> Mapping[str, int]:
        """Flows that were followed no longer, by reason, as above."""
        found = {
            Unfollowed.STREAM_LIMIT: self.limited,
            Unfollowed.TABLE_FULL: self.flows_evicted,
            Unfollowed.MEMORY: self.relieved,
            Unfollowed.HOLE: self.holes,
        }
        return {reason.value: count for reason, count in found.items() if count}
