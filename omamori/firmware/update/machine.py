"""Where an update stands and what comes next, as pure functions on values.

`settle` reads the facts of this boot into the journal; `firmware_step` and `pack_step` choose what to do.
The journal is written before an act that a power cut could separate from its record, so every state here is one that
a boot may find: in doubt the facts win (which version runs, what the boot entry says), never the record.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from omamori.protocol.ids import BootId
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import UpdatePhase

OPEN = (UpdatePhase.DOWNLOADING, UpdatePhase.STAGED, UpdatePhase.TRIAL)
"""Phases in which an outcome is still due."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A version ordered at the unit itself, in force while the fleet wants what it wanted then."""

    version: Version
    generation: int
    """The fleet's, when this was ordered."""
    instead_of: Version | None = None
    """What the fleet wanted then."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What must survive a reboot."""

    phase: UpdatePhase = UpdatePhase.IDLE
    version: Version | None = None
    """The version being updated to, or the one that failed."""
    error: str = ""
    changed: datetime | None = None
    boot: BootId | None = None
    """The boot in which the reboot into the trial was ordered."""
    fleet_reached: bool = False
    """The agent was connected when this was staged, so a trial must reach the fleet too."""
    fetched: int = 0
    """Bytes that `version` has cost the line so far, all tries together."""
    by_hand: ByHand | None = None
    rejected: Version | None = None
    """The version that failed its trial or was refused for good; never tried again."""
    time_floor: datetime | None = None
    """The newest time that is known to be past."""
    pack_pending: Version | None = None
    """Linked, and not yet confirmed by the bridge."""
    pack_previous: Version | None = None
    """In force before the pending one; None was the factory's."""
    pack_rejected: Version | None = None
    pack_error: str = ""
    restart: str = ""
    """How the version committed last was tried: `soft` or `hard`."""
    unguarded: float | None = None
    """Seconds from that order until somebody inspected again."""
    passed_over: BootId | None = None
    """The boot in which it was recorded last that a committed slot was passed over."""


@dataclass(frozen=True, slots=True)
class Boot:
    """The boot that runs now, as it is."""

    id: BootId
    version: Version
    slot: str
    """`a`, `b`, or empty."""
    blessed: bool
    """The boot entry of the running slot carries no counter (any more)."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A committed version that did not become healthy start after start, so that the unit took the other slot (decision 0028)."""

    version: Version
    why: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """Leave things as they are."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Fetch this version and write it to that slot."""

    version: Version
    slot: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The fleet wants the running version again: the staged one must not start."""

    slot: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Will not be done, and why."""

    version: Version
    why: str
    lasting: bool = True


FirmwareStep: TypeAlias = Nothing | Stage | Withdraw | Refuse


@dataclass(frozen=True, slots=True)
class FetchPack:
    """Fetch this pack and put it in force."""

    version: Version


def settle(
    journal: Journal,
    boot: Boot,
    now: datetime,
    *,
    tries: int | None,
    verdict: str,
    passed_over: PassedOver | None = None,
) -> Journal:
    """The journal after this boot's facts.

    `tries`: boots left to the entry of `journal.version`, None where there is none or it is not counted.
    `verdict`: what the health gate of a trial of `journal.version` found wrong; empty where it has not spoken.
    `passed_over`: the other slot's version, where this one runs in its place. It was good once, so it is not rejected:
    where it is wanted, it is staged afresh and tried as any other.
    """
    if passed_over and journal.passed_over != boot.id:
        over = failed(replace(journal, version=passed_over.version, fetched=0), passed_over.why, now)
        return replace(over, rejected=journal.rejected, passed_over=boot.id)
    if journal.phase not in OPEN:
        return journal
    if boot.version == journal.version:
        return _arrived(journal, boot, now)
    fell_back = journal.phase is UpdatePhase.TRIAL and journal.boot != boot.id
    if fell_back or (journal.phase is not UpdatePhase.TRIAL and tries == 0):
        return failed(journal, verdict or "trial: did not start", now)
    return journal


def failed(journal: Journal, error: str, now: datetime) -> Journal:
    """The journal of an update that is over for this unit."""
    return replace(
        journal, phase=UpdatePhase.FAILED, error=error, changed=now, boot=None, rejected=journal.version
    )


def not_ordered(journal: Journal, error: str, now: datetime) -> Journal:
    """The journal of an older version that nobody signed an order for: refused, until somebody does."""
    return replace(failed(journal, error, now), rejected=None)


def clock_wrong(now: datetime, floors: tuple[datetime | None, ...], slack: timedelta) -> str:
    """Why `now` cannot be the time; empty when it can.

    systemd sets a clock without battery to the newest of its own time, `/usr/lib/clock-epoch` and what timesyncd
    kept (systemd(1)); what is below that is a clock that nobody has set at all.
    """
    floor = max((floor for floor in floors if floor is not None), default=now)
    return (
        f"the clock says {now:%Y-%m-%d %H:%M}, it is after {floor:%Y-%m-%d %H:%M}"
        if now + slack < floor
        else ""
    )


def firmware_step(
    want: Version | None, boot: Boot, journal: Journal, *, entry_present: bool, downgrade: bool = False
) -> FirmwareStep:
    """What to do about the wanted firmware; `journal` is settled. `downgrade`: a signed order allows going back to it."""
    if want is None or journal.phase is UpdatePhase.TRIAL:
        return Nothing()
    if want == boot.version:
        withdraw = journal.phase in OPEN and journal.version != boot.version
        return Withdraw(other(boot.slot)) if withdraw and boot.slot else Nothing()
    if want == journal.rejected:
        return Nothing()
    if want < boot.version and not downgrade:
        return Refuse(want, f"{want} is older than {boot.version}, which runs")
    if not boot.slot:
        return Refuse(want, "this system did not start from a slot", lasting=False)
    if journal.phase is UpdatePhase.STAGED and journal.version == want and entry_present:
        return Nothing()
    return Stage(want, other(boot.slot))


def pack_step(want: Version | None, current: Version | None, journal: Journal) -> Nothing | FetchPack:
    """What to do about the wanted pack; any version is taken, a rolled-back one included, but a rejected one."""
    if want in (None, current, journal.pack_rejected):
        return Nothing()
    assert want is not None  # noqa: S101 - said above, for the type checker
    return FetchPack(want)


def other(slot: str) -> str:
    """The slot that does not run."""
    return {"a": "b", "b": "a"}[slot]


def _arrived(journal: Journal, boot: Boot, now: datetime) -> Journal:
    if boot.blessed:
        return replace(journal, phase=UpdatePhase.COMMITTED, error="", changed=now, boot=None, rejected=None)
    if journal.phase is UpdatePhase.TRIAL:
        return journal
    return replace(journal, phase=UpdatePhase.TRIAL, changed=now)
