"""How often a rule is told: `threshold`, and `detection_filter`, before which it does not match at all."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class ThresholdKind(Enum):
    LIMIT = auto()
    THRESHOLD = auto()
    BOTH = auto()


class Track(StrEnum):
    SOURCE = "by_src"
    DESTINATION = "by_dst"
    BOTH = "by_both"
    RULE = "by_rule"
    FLOW = "by_flow"


@dataclass(frozen=True, slots=True)
class Threshold:
    kind: ThresholdKind
    track: Track
    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class DetectionFilter:
    """The rule matches from the hit after `count` on, within `seconds`."""

    track: Track
    count: int
    seconds: int
