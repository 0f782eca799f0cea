"""The envelope a message travels in, and its bytes: each kind has one shape and one channel."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from omamori.protocol import wire
from omamori.protocol.capability import CAPABILITY
from omamori.protocol.errors import Malformed
from omamori.protocol.ids import BootId, UnitId
from omamori.protocol.messages.downward import Acknowledge, Activated, Activation, Claim, Want, WantHint
from omamori.protocol.messages.upward import Detection, Hosts, Log, State, Support, Usage, Wiring
from omamori.protocol.topics import Down, Up


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A well-formed message of a kind this side does not know yet: kept or skipped, never an error."""

    kind: str
    body: dict[str, object] = field(default_factory=dict, hash=False)


UpBody: TypeAlias = State | Detection | Hosts | Wiring | Log | Usage | Support | Unrecognised
DownBody: TypeAlias = WantHint | Acknowledge | Unrecognised

Document = TypeVar("Document", Want, Claim, Activation, Activated)

_UP: dict[str, type] = {
    "state": State,
    "detection": Detection,
    "hosts": Hosts,
    "wiring": Wiring,
    "log": Log,
    "usage": Usage,
    "support": Support,
}
_DOWN: dict[str, type] = {"want": WantHint, "ack": Acknowledge}
_KIND = {shape: kind for kinds in (_UP, _DOWN) for kind, shape in kinds.items()}

CHANNELS: dict[type, Up | Down] = {
    State: Up.STATE,
    Detection: Up.EVENT,
    Hosts: Up.HOST,
    Wiring: Up.STATE,
    Log: Up.LOG,
    Usage: Up.LOG,
    Support: Up.EVENT,
    WantHint: Down.WANT,
    Acknowledge: Down.CALL,
}
"""Which channel carries which message."""


@dataclass(frozen=True, slots=True)
class Upward:
    """One message from a unit, with the key it is stored under."""

    unit: UnitId
    boot: BootId
    sequence: int
    body: UpBody
    capability: int = CAPABILITY


@dataclass(frozen=True, slots=True)
class _Envelope:
    kind: str
    body: dict[str, object]
    capability: int = 1


@dataclass(frozen=True, slots=True)
class _Key:
    unit: UnitId
    boot: BootId
    sequence: int

    def __post_init__(self) -> None:
        if self.sequence < 0:
            raise Malformed(f"sequence: {self.sequence} is negative")


def encode_up(message: Upward) -> bytes:
    """Raises TooLarge."""
    key = {"unit": message.unit, "boot": message.boot, "sequence": message.sequence}
    return wire.dump({**_wrap(message.body, message.capability), **key})


def decode_up(raw: bytes) -> Upward:
    """Raises WireError."""
    value = wire.load(raw)
    envelope, key = wire.from_wire(_Envelope, value), wire.from_wire(_Key, value)
    return Upward(key.unit, key.boot, key.sequence, _body(_UP, envelope), envelope.capability)


def encode_body(body: UpBody) -> bytes:
    """One message without its key, as a unit's processes hand it to the agent. Raises TooLarge."""
    return wire.dump(_wrap(body, CAPABILITY))


def decode_body(raw: bytes) -> UpBody:
    """Raises WireError."""
    body: UpBody = _body(_UP, wire.from_wire(_Envelope, wire.load(raw)))
    return body


def salvage_up(raw: bytes) -> Upward:
    """The key of a message whose body `decode_up` refuses, e.g. for an enum value newer than this side.

    The body is kept as Unrecognised, so that it can be stored and acknowledged. Raises WireError.
    """
    value = wire.load(raw)
    envelope, key = wire.from_wire(_Envelope, value), wire.from_wire(_Key, value)
    return Upward(
        key.unit, key.boot, key.sequence, Unrecognised(envelope.kind, envelope.body), envelope.capability
    )


def encode_down(body: DownBody) -> bytes:
    """Raises TooLarge."""
    return wire.dump(_wrap(body, CAPABILITY))


def decode_down(raw: bytes) -> DownBody:
    """Raises WireError."""
    body: DownBody = _body(_DOWN, wire.from_wire(_Envelope, wire.load(raw)))
    return body


def encode(value: Want | Claim | Activation | Activated) -> bytes:
    """The HTTPS documents. Raises TooLarge."""
    body = wire.to_wire(value)
    assert isinstance(body, dict)  # noqa: S101 - a dataclass always is
    return wire.dump(body)


def decode(shape: type[Document], raw: bytes) -> Document:
    """An HTTPS document of this shape. Raises WireError."""
    return wire.from_wire(shape, wire.load(raw))


def _wrap(body: UpBody | DownBody, capability: int) -> dict[str, object]:
    if isinstance(body, Unrecognised):
        return {"kind": body.kind, "body": body.body, "capability": capability}
    return {"kind": _KIND[type(body)], "body": wire.to_wire(body), "capability": capability}


def _body(kinds: dict[str, type], envelope: _Envelope) -> Any:  # noqa: ANN401 - a union chosen by table
    shape = kinds.get(envelope.kind)
    if shape is None:
        return Unrecognised(envelope.kind, envelope.body)
    return wire.from_wire(shape, envelope.body, where=envelope.kind)
