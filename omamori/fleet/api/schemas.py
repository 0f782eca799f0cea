"""What the API says and takes: one shape for each resource. A published field never changes its meaning."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Schema
from pydantic import AwareDatetime

from omamori.fleet.api.auth import actor
from omamori.fleet.lan.models import Ownership
from omamori.fleet.rollouts.models import Kind, Member, Outcome, Rollout
from omamori.fleet.rollouts.queries import progress
from omamori.fleet.units.applying import limit, waits_for
from omamori.fleet.units.models import Want
from omamori.protocol.fetching import LONGEST_MIRROR, MOST_RATE
from omamori.protocol.vocabulary import Action, ApplyWhen, Direction, Guard, Severity, Side, UpdatePhase

Key = Annotated[int, Field(ge=0, lt=2**63)]
Weekday = Annotated[int, Field(ge=1, le=7)]


class Refusal(Schema):
    """Why a request was refused."""

    detail: str


class SiteOut(Schema):
    """A place of a customer."""

    id: int
    name: str
    customer: int = Field(alias="customer_id")
    customer_name: str = Field(alias="customer.name")
    reseller: int = Field(alias="customer.reseller_id")


class Window(Schema):
    """When a unit may reboot; weekdays are ISO (1 is Monday), times wall clock in `timezone`."""

    timezone: str = Field(max_length=64)
    weekdays: list[Weekday] = Field(min_length=1, max_length=7)
    start: str = Field(pattern=r"^\d{2}:\d{2}$")
    end: str = Field(pattern=r"^\d{2}:\d{2}$")


class Fetching(Schema):
    """How updates come to a unit."""

    rate: int = Field(0, ge=0, le=MOST_RATE)
    """Bytes a second at most over the customer's line; 0 is as much as there is."""
    mirror: str = Field("", max_length=LONGEST_MIRROR)
    """Where a server on its LAN has `targets/` of the repository; empty for none."""


class WantOut(Schema):
    """What the fleet wants of a unit."""

    generation: int
    taken: int
    firmware: str
    pack: str
    apply: ApplyWhen
    window: Window
    at_power_cycle: bool
    """It restarts into a new firmware when its power returns, never by itself before the deadline."""
    postponed_until: datetime | None
    postpone_limit: datetime | None
    """The last moment to which the wanted firmware can be put off."""
    deadline: datetime | None
    """By then it restarts in any case: a security update."""
    fetching: Fetching

    @staticmethod
    def resolve_postpone_limit(want: Want) -> datetime | None:
        """By the same rule that refuses a postponement."""
        return limit(want)


class UnitOut(Schema):
    """A unit and its last report; text is empty where it reported none."""

    id: str
    name: str
    site: int = Field(alias="site_id")
    site_name: str = Field(alias="site.name")
    customer: int = Field(alias="site.customer_id")
    customer_name: str = Field(alias="site.customer.name")
    activated: datetime | None
    online: bool
    presence_changed: datetime | None
    last_seen: datetime | None
    state_time: datetime | None
    firmware: str
    slot: str
    pack: str
    update_phase: UpdatePhase
    update_version: str
    update_error: str
    booted_healthy: bool
    reboot_at: datetime | None
    uptime: float
    workers: int
    packets: int
    blocked: int
    neutralised: int
    bypassed: int
    events_lost: int
    reasons: dict[str, dict[str, int]]
    """Why packets were `dropped` or went `uninspected`, and flows `unfollowed`, since boot: counts by reason."""
    want: WantOut


class UnitIn(Schema):
    """A unit to register."""

    id: str = Field(max_length=40)
    site: Key
    name: str = Field("", max_length=80)


class ClaimOut(Schema):
    """The claim secret, shown this once."""

    unit: str
    secret: str


class PostponementIn(Schema):
    """Until when the wanted firmware is put off."""

    until: AwareDatetime


class WayIn(Schema):
    """Whether a new firmware waits for its window (false) or for the next time the power returns."""

    at_power_cycle: bool


class GenerationOut(Schema):
    """The generation of what is wanted after a change."""

    generation: int


class DetectionOut(Schema):
    """One thing a guard saw, and what was done about it."""

    id: int
    alert: str
    unit: str = Field(alias="unit_id")
    site: int = Field(alias="site_id")
    time: datetime
    received: datetime
    guard: Guard
    direction: Direction
    severity: Severity
    action: Action
    signature_id: str
    signature: str
    category: str
    detail: str
    reason: str
    protocol: str
    source_address: str
    source_port: int | None
    destination_address: str
    destination_port: int | None
    host: int | None = Field(None, alias="host_id")
    host_mac: str
    host_name: str
    host_shared: bool
    """Several devices speak through that host; it was one of the devices behind it."""


class AddressOut(Schema):
    """An address a host held, and when it was seen holding it."""

    address: str
    first_seen: datetime
    last_seen: datetime


class HostOut(Schema):
    """A device on a LAN."""

    id: int
    unit: str = Field(alias="unit_id")
    site: int = Field(alias="site_id")
    mac: str
    name: str
    name_source: str
    given_name: str
    """What the customer calls it."""
    ownership: Ownership
    vendor: str
    kind: str
    system: str
    device: str
    """The MAC address under which the same device was known first; empty where nothing says so."""
    device_reason: str
    shared: float
    """How likely several devices speak through it, 0 to 1."""
    shared_reasons: list[str]
    side: Side
    first_seen: datetime
    last_seen: datetime
    addresses: list[AddressOut]


class HostIn(Schema):
    """What to change; what is left out stays. An empty name takes the customer's name away."""

    given_name: str | None = Field(None, max_length=120)
    ownership: Ownership | None = None


class FindingOut(Schema):
    """One verdict of a wiring diagnosis."""

    code: str
    confidence: float
    since: datetime
    evidence: list[str]


class WiringOut(Schema):
    """A whole diagnosis, root cause first."""

    id: int
    unit: str = Field(alias="unit_id")
    site: int = Field(alias="site_id")
    time: datetime
    current: bool
    findings: list[FindingOut]


class ReleaseOut(Schema):
    """A version that can be rolled out."""

    id: int
    kind: Kind
    version: str
    notes: str
    targets: list[str]
    added: datetime


class ReleaseIn(Schema):
    """A version of the TUF repository to announce."""

    kind: Kind
    version: str = Field(max_length=40)
    notes: str = Field("", max_length=10_000)


class RolloutOut(Schema):
    """A rollout with the count of units by outcome, as far as the asker sees them."""

    id: int
    release: ReleaseOut
    created: datetime
    created_by: str
    note: str
    wave: int
    deadline: datetime | None
    """Units restart into this firmware by then, whatever their customers chose."""
    withdrawn: datetime | None
    withdrawn_reason: str
    progress: dict[str, int]

    @staticmethod
    def resolve_progress(rollout: Rollout, context: dict[str, HttpRequest]) -> dict[str, int]:
        """Counted for whoever asks."""
        return progress(actor(context["request"]), rollout.pk).counts


class RolloutIn(Schema):
    """Which release for which units: those named, those at sites, or all."""

    kind: Kind
    version: str = Field(max_length=40)
    units: list[str] = Field([], max_length=10_000)
    sites: list[Key] = Field([], max_length=10_000)
    everything: bool = False
    first_wave: int = Field(0, ge=0, le=1_000_000)
    note: str = Field("", max_length=400)
    deadline: AwareDatetime | None = None
    """Of a firmware: a security update that nobody may put off for longer."""


class DeadlineIn(Schema):
    """A security deadline; null takes it back."""

    deadline: AwareDatetime | None


class WithdrawIn(Schema):
    """Why a rollout of a pack is taken back."""

    reason: str = Field(min_length=1, max_length=400)


class MemberOut(Schema):
    """A unit in a rollout."""

    unit: str = Field(alias="unit_id")
    wave: int
    outcome: str
    reason: str
    changed: datetime
    waits_for: str
    """Of a staged firmware: `now`, `power cycle`, `postponement` or `window`; else empty."""

    @staticmethod
    def resolve_waits_for(member: Member) -> str:
        """By what is wanted of its unit now."""
        staged = member.outcome == Outcome.STAGED
        return waits_for(member.unit.want, timezone.now()) if staged else ""


class LogOut(Schema):
    """A line a unit logged."""

    id: int
    unit: str = Field(alias="unit_id")
    time: datetime
    received: datetime
    process: str
    level: str
    text: str


class AuditOut(Schema):
    """A change somebody made."""

    at: datetime
    actor: str
    operation: str
    target: str
    details: dict[str, object]
