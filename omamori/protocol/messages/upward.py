"""What a unit tells the fleet, and the parts these messages are made of."""

from dataclasses import dataclass
from datetime import datetime

from omamori.protocol.ids import DetectionId, Mac
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import (
    Action,
    Direction,
    Guard,
    Severity,
    Side,
    SupportPhase,
    UpdatePhase,
    WiringCode,
)

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
class Reason:
    """How often something happened for one reason. Capability 7."""

    reason: str
    count: int = 0


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
    dropped: tuple[Reason, ...] = ()
    """Packets stopped, by a guard's name or a word of `protocol/reasons.py`. Capability 7, as the next two."""
    uninspected: tuple[Reason, ...] = ()
    """Packets that passed without inspection or with less of it; `bypassed` is the sum of some of these."""
    unfollowed: tuple[Reason, ...] = ()
    """Flows that were no longer followed."""


# --- messages ----------------------------------------------------------------------------------------------------


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
class Support:
    """The shell of the unit was opened, entered, left, closed or kept shut. Capability 8."""

    time: datetime
    call: str
    """The id of the fleet's `SupportCall`."""
    phase: SupportPhase
    who: str = ""
    """As the signed support key says, like the next three; empty where none was believed."""
    why: str = ""
    since: datetime | None = None
    until: datetime | None = None
    reason: str = ""
    """Why it was refused or closed, in English."""
    host_key: str = ""
    """The public key of this opening's SSH server, made for it alone; only with `opened`."""


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
