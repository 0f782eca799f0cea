"""What the fleet tells a unit: hints and calls over MQTT, documents over HTTPS."""

from dataclasses import dataclass, field
from datetime import datetime

from omamori.protocol.fetching import Fetching
from omamori.protocol.ids import BootId, Mac, UnitId
from omamori.protocol.policy import NOTHING_CHANGED, Policy
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import ApplyWhen
from omamori.protocol.window import NIGHTLY, RebootWindow

MAX_APART = 32
"""Pairs; beside a policy at every bound they fit one message."""


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
class SupportCall:
    """The fleet asks the unit to look for its support key, and says where a helper would be waiting (decision 0029)."""

    id: str
    host: str
    port: int
    """The fleet's relay: TLS, with the certificates that the unit trusts for the fleet."""
    ticket: str = field(repr=False)
    """Proves there which unit calls; it opens nothing."""


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
    apart: tuple[tuple[Mac, ...], ...] = ()
    """Pairs of MAC addresses that an operator has told to be two devices: never concluded to be one. The whole list, at most
    `MAX_APART`; a unit skips what is no pair. Since capability 5."""
    postponed_until: datetime | None = None
    """The customer asked for no restart before. Since capability 6."""
    deadline: datetime | None = None
    """A restart at the latest then, whatever window and postponement say: a security update. Since capability 6."""
    at_power_cycle: bool = False
    """No restart by itself before the deadline: the staged firmware is tried when power returns. Since capability 6."""
    support: SupportCall | None = None
    """Only while a helper is to look at the unit. Since capability 8."""
    fetching: Fetching | None = None
    """None where nothing was chosen: then the unit's own file counts. Since capability 9."""


# --- activation --------------------------------------------------------------------------------------------------


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
