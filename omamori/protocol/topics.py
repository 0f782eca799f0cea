"""MQTT topics: `omamori/v1/{bucket}/{unit}/up/{state|event|host|log}` and `.../down/{want|call}`.

No tenant in a topic, because units move between resellers; no wildcard on commands, no `$share`, nothing retained.
"""

from dataclasses import dataclass
from enum import StrEnum

from omamori.protocol.errors import Malformed
from omamori.protocol.ids import UnitId, bucket, unit_id

ROOT = "omamori/v1"


class Up(StrEnum):
    """Channels a unit publishes on."""

    STATE = "state"
    EVENT = "event"
    HOST = "host"
    LOG = "log"


class Down(StrEnum):
    """Channels a unit subscribes to."""

    WANT = "want"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class UpTopic:
    """A parsed upward topic."""

    unit: UnitId
    channel: Up


def up(unit: UnitId, channel: Up) -> str:
    """The topic a unit publishes this channel on."""
    return f"{ROOT}/{bucket(unit)}/{unit}/up/{channel.value}"


def down(unit: UnitId, channel: Down) -> str:
    """The topic the fleet publishes this channel on."""
    return f"{ROOT}/{bucket(unit)}/{unit}/down/{channel.value}"


def all_up(*, bucket_digits: str = "+") -> str:
    """The ingest worker's subscription for one bucket, or for the whole fleet."""
    return f"{ROOT}/{bucket_digits}/+/up/+"


def parse_up(topic: str) -> UpTopic:
    """Raises Malformed where the topic is not an upward one or its bucket is not the unit's; IdError for a bad id."""
    match topic.split("/"):
        case ["omamori", "v1", digits, unit, "up", channel] if channel in set(Up):
            parsed = UpTopic(unit_id(unit), Up(channel))
        case _:
            raise Malformed(f"not an upward topic: {topic[:120]!r}")
    if digits != bucket(parsed.unit):
        raise Malformed(f"unit {parsed.unit} does not publish in bucket {digits[:8]!r}")
    return parsed
