"""Every message between unit and fleet, and the envelope it travels in.

Upward messages carry the key (unit, boot, sequence): stored once, acknowledged after commit, kept by the unit until
then. Downward messages are hints and calls; the fleet's database owns what is wanted.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from omamori.protocol import wire
from omamori.protocol.capability import CAPABILITY
from omamori.protocol.errors import Malformed
from omamori.protocol.ids import BootId, DetectionId, Mac, UnitId
from omamori.protocol.policy import NOTHING_CHANGED, Policy
from omamori.protocol.topics import Down, Up
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import (
    Action,
    ApplyWhen,
    Direction,
    Guard,
    Severity,
    Side,
    UpdatePhase,
    WiringCode,
)
from omamori.protocol.window import NIGHTLY, RebootWindow

# --- parts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a flow; `port` is None where the protocol has none."""

    address: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class HostAddress:
    """An address a host held, and when it was seen holding it."""

    address: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Host:
    """A device on the LAN. Identity is the MAC address; addresses come and go."""

    mac: Mac
    side: Side
    first_seen: datetime
    last_seen: datetime
    addresses: tuple[HostAddress, ...] = ()
    name: str = ""
    name_source: str = ""
    """Which protocol the name came from: `mdns`, `netbios`, `dhcp`, `dhcpv6`, `llmnr`; empty where there is no name."""
    vendor: str = ""
    kind: str = ""
    """What it seems to be: `pc`, `phone`, `tablet`, `printer`, `nas`, `camera`, `router`, `access point`, `server`, `phone system`,
    `media`; empty where the signs are too few. More words may come. Capability 4."""
    system: str = ""
    """Which system it seems to run, e.g. `Windows 10`. Capability 4."""
    device: Mac | None = None
    """The MAC address under which the same device was known first; a conclusion, never final. Capability 4."""
    device_reason: str = ""
    """`identity`, `renewed` or `interfaces`: by which rule."""
    shared: float = 0.0
    """How likely several devices speak through it, 0 to 1: what it does may be any of theirs. Capability 4."""
    shared_reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict of the wiring diagnosis, with what it was read from."""

    code: WiringCode
    confidence: float
    """0 to 1."""
    since: datetime
    evidence: tuple[str, ...] = ()
    """Facts in English with numbers, for the help desk."""


@dataclass(frozen=True, slots=True)
class UpdateState:
    """Where the firmware update stands, as the unit sees it."""

    phase: UpdatePhase
    version: Version | None = None
    """The version being updated to, or the one that failed."""
    error: str = ""
    changed: datetime | None = None


@dataclass(frozen=True, slots=True)
class BridgeState:
    """The data path in numbers, since boot."""

    workers: int = 0
    """Queue workers alive; 0 means traffic passes uninspected."""
    packets: int = 0
    """Packets (GSO events) inspected."""
    blocked: int = 0
    neutralised: int = 0
    bypassed: int = 0
    """Packets the kernel let through because no worker took them."""
    events_lost: int = 0
    """Detections dropped because the spool was full."""


# --- unit to fleet -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """What a unit is: sent at birth, on change, and every few minutes."""

    time: datetime
    firmware: Version
    slot: str
    """`a`, `b`, or empty where the unit did not boot from a slot."""
    pack: Version | None
    generation: int
    """The generation of *want* this unit has taken in."""
    update: UpdateState
    bridge: BridgeState
    uptime: float
    """Seconds since boot."""
    booted_healthy: bool = False
    """This boot passed its health gate (boot-complete.target reached)."""
    reboot_at: datetime | None = None
    """When a staged firmware will be tried; None while nothing waits."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing a guard saw, and what it did about it."""

    id: DetectionId
    time: datetime
    guard: Guard
    direction: Direction
    severity: Severity
    signature_id: str
    signature: str
    action: Action
    reason: str
    """Why this was done: the rule, list or signature, in English."""
    protocol: str
    """`tcp`, `udp`, `icmp`, ..."""
    source: Endpoint
    destination: Endpoint
    category: str = ""
    detail: str = ""
    """The domain, URL or file name it was about."""
    host: Mac | None = None
    """The LAN host that held the inside address at that time, where known."""
    host_name: str = ""
    host_shared: bool = False
    """Several devices speak through that host: it was one of the devices behind it. Capability 4."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Hosts that are new or changed."""

    time: datetime
    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class Wiring:
    """The whole present diagnosis, root cause first; sent when it changes."""

    time: datetime
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """Something an operator should be able to read later."""

    time: datetime
    process: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class UsageHost:
    """An inside host by the address it had; the agent adds who held it then."""

    address: str
    mac: Mac | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class UsageSubject:
    """What was used. Both are empty for what has no name, and for what was folded together."""

    application: str = ""
    category: str = ""
    """One of the five kinds of applications, else the category of the site."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Traffic of one period, summed up by host and subject."""

    start: datetime
    seconds: int
    hosts: tuple[UsageHost, ...] = ()
    subjects: tuple[UsageSubject, ...] = ()
    rows: tuple[tuple[int, ...], ...] = ()
    """Index into `hosts`, index into `subjects`, flows, bytes from the host, bytes to it; flows blocked, where any were."""
    folded: int = 0
    """Flows whose host or subject was not kept apart, for want of room."""
    missed: int = 0
    """Copies of packets that were lost before they could name a flow."""


# --- fleet to unit -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WantHint:
    """What is wanted has changed; fetch it over HTTPS."""

    generation: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """These sequences of that boot are committed; the unit may forget them."""

    boot: BootId
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Want:
    """The state the fleet wants of a unit; fetched over HTTPS, never sent over MQTT."""

    generation: int
    firmware: Version | None = None
    pack: Version | None = None
    window: RebootWindow = NIGHTLY
    apply: ApplyWhen = ApplyWhen.WINDOW
    policy: Policy = NOTHING_CHANGED
    """Since capability 2."""


# --- activation, over HTTPS --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """What the factory wrote into a unit; the secret is used once and stored by the fleet as a hash only."""

    unit: UnitId
    secret: str = field(repr=False)
    fleet: str
    """Base URL of the fleet's unit surface, `https://...`."""
    fleet_ca: str
    """PEM certificates that the unit trusts for the fleet's TLS."""


@dataclass(frozen=True, slots=True)
class Activation:
    """Sent once the button was pressed."""

    unit: UnitId
    secret: str = field(repr=False)
    csr: str
    """PEM, PKCS#10, signed by the unit's own key."""


@dataclass(frozen=True, slots=True)
class Activated:
    """The fleet's answer: who the unit is from now on and where it connects."""

    certificate: str
    """PEM chain; the CN is the unit id."""
    mqtt_host: str
    mqtt_port: int


# --- the envelope ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A well-formed message of a kind this side does not know yet: kept or skipped, never an error."""

    kind: str
    body: dict[str, object] = field(default_factory=dict, hash=False)


UpBody: TypeAlias = State | Detection | Hosts | Wiring | Log | Usage | Unrecognised
DownBody: TypeAlias = WantHint | Acknowledge | Unrecognised

Document = TypeVar("Document", Want, Claim, Activation, Activated)

_UP: dict[str, type] = {
    "state": State,
    "detection": Detection,
    "hosts": Hosts,
    "wiring": Wiring,
    "log": Log,
    "usage": Usage,
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
