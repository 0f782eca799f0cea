"""What a message from the broker is: pure, and total over hostile bytes.

The broker's ACL already ties a topic to a certificate; here the body must name the same unit as the topic, or it is
not taken. A message whose key can be read but whose body cannot is kept as Unrecognised, so that a newer unit's words
are stored and acknowledged instead of being sent for ever.
"""

from dataclasses import dataclass
from typing import Final

from omamori.protocol import ProtocolError, WireError
from omamori.protocol.ids import UnitId
from omamori.protocol.messages import Log, Upward, decode_up, salvage_up
from omamori.protocol.topics import parse_up

PRESENCE: Final = "presence"
ONLINE: Final = "online"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message to store and acknowledge."""

    message: Upward


@dataclass(frozen=True, slots=True)
class Presence:
    """A birth or a will: never stored as an event, never acknowledged."""

    unit: UnitId
    online: bool


@dataclass(frozen=True, slots=True)
class Garbage:
    """Nothing that could be acknowledged."""

    reason: str


def read(topic: str, payload: bytes) -> Taken | Presence | Garbage:
    """Never raises."""
    try:
        unit, message = parse_up(topic).unit, _decoded(payload)
    except ProtocolError as error:
        return Garbage(str(error))
    if message.unit != unit:
        return Garbage(f"unit {unit} sent a message of {message.unit}")
    match message:
        case Upward(sequence=0, body=Log(process="presence", text=text)):
            return Presence(unit, text == ONLINE)
        case _:
            return Taken(message)


def _decoded(payload: bytes) -> Upward:
    try:
        return decode_up(payload)
    except WireError:
        return salvage_up(payload)
