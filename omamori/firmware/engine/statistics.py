"""What an engine has done, in numbers."""

from dataclasses import dataclass


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
