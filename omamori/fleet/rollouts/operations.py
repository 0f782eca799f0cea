"""Releases, rollouts, and the outcome of each member.

A rollout raises wants; after that its members change only by `reported`, out of what their unit says.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from django.db import transaction
from django.utils import timezone

from omamori.fleet.accounts.actor import Actor, must_operate
from omamori.fleet.accounts.operations import record
from omamori.fleet.accounts.queries import operator_of
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.rollouts import queries, waves
from omamori.fleet.rollouts.canaries import is_stable, require_fitting, require_stable
from omamori.fleet.rollouts.deadlines import require_usable
from omamori.fleet.rollouts.models import FINAL, Kind, Member, Outcome, Release, Rollout
from omamori.fleet.rollouts.progress import outcome
from omamori.fleet.units.models import Unit
from omamori.fleet.units.operations import want_versions
from omamori.fleet.units.queries import units as visible_units
from omamori.protocol import VersionError
from omamori.protocol.messages import State
from omamori.protocol.version import Version


@transaction.atomic
def add_release(
    actor: Actor,
    kind: str,
    version: str,
    *,
    notes: str = "",
    targets: Iterable[str] = (),
    about: Mapping[str, object] = MappingProxyType({}),
) -> Release:
    """Announce a version that the TUF repository has, with what it says `about` itself there. Raises Invalid, Conflict."""
    must_operate(actor)
    if kind not in Kind.values:
        raise Invalid(f"kind must be one of {', '.join(Kind.values)}, not {kind[:20]!r}")
    try:
        parsed = Version.parse(version)
    except VersionError as error:
        raise Invalid(str(error)) from error
    if Release.objects.filter(kind=kind, version=str(parsed)).exists():
        raise Conflict(f"{kind} {parsed} is released already")
    record(actor, "release.add", f"{kind} {parsed}")
    return Release.objects.create(
        kind=kind,
        version=str(parsed),
        notes=notes[:10_000],
        targets=sorted(targets),
        about=dict(about),
        added=timezone.now(),
    )


@transaction.atomic
def say_anew(actor: Actor, release: Release, about: Mapping[str, object]) -> None:
    """What it says about itself was signed anew. Raises NotAllowed."""
    must_operate(actor)
    release.about = dict(about)
    release.save(update_fields=["about"])
    record(actor, "release.about", str(release))


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Which units a rollout is for: those named, those at these sites, or everything the operator has."""

    units: tuple[str, ...] = ()
    sites: tuple[int, ...] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a rollout goes: so many units first (0 all at once), until when at the latest, and why."""

    first_wave: int = 0
    deadline: datetime | None = None
    note: str = ""


USUAL = Terms()
_BACK = 50
"""Releases that are looked at for one to go back to."""


def plan(actor: Actor, release: Release, audience: Audience, terms: Terms) -> list[tuple[str, int]]:
    """Which units `create` would ask, and in which wave; changes nothing.

    Raises NotAllowed, Conflict for a release that was withdrawn or a canary for more than a few, Invalid where the audience is empty or names a unit the
    actor does not see, or where the deadline leaves no time.
    """
    must_operate(actor)
    if back := release.rollouts.exclude(withdrawn=None).first():
        raise Conflict(f"{release} was withdrawn (rollout {back.pk}): {back.withdrawn_reason}")
    if terms.first_wave < 0:
        raise Invalid("the first wave cannot have fewer than one unit")
    require_usable(release, terms.deadline, timezone.now())
    chosen = _chosen(actor, audience)
    first = chosen[: terms.first_wave or len(chosen)]
    require_fitting(release, first, visible_units(actor))
    return [(key, 1 if place < len(first) else 2) for place, key in enumerate(chosen)]


@transaction.atomic
def create(actor: Actor, release: Release, audience: Audience, terms: Terms = USUAL) -> Rollout:
    """Want this release of the audience: of the first wave at once, of the rest by `advance`. Raises what `plan` raises."""
    chosen, now = plan(actor, release, audience, terms), timezone.now()
    rollout = Rollout.objects.create(
        release=release,
        operator=operator_of(actor),
        created=now,
        created_by=str(actor)[:160],
        note=terms.note[:400],
        deadline=terms.deadline,
    )
    Member.objects.bulk_create(
        Member(rollout=rollout, unit_id=key, wave=wave, changed=now) for key, wave in chosen
    )
    record(actor, "rollout.create", rollout.pk, details={"release": str(release), "units": len(chosen)})
    _want(rollout)
    return rollout


@transaction.atomic
def advance(actor: Actor, rollout: Rollout, *, anyway: bool = False) -> Rollout:
    """Open the next wave, of a firmware where the ones before are well with it, or `anyway`.

    Raises Conflict where there is none, it is held, or a canary is not promoted yet, Invalid where its deadline leaves that wave no time.
    """
    must_operate(actor)
    rollout = queries.rollouts(actor).select_for_update(of=("self",)).get(pk=rollout.pk)
    if rollout.withdrawn:
        raise Conflict(f"{rollout} was withdrawn: {rollout.withdrawn_reason}")
    if not rollout.members.filter(outcome=Outcome.PLANNED).exists():
        raise Conflict(f"{rollout} has no further wave")
    require_stable(rollout.release)
    require_usable(rollout.release, rollout.deadline, timezone.now())
    why = _held(rollout)
    if why and not anyway:
        raise Conflict(f"{rollout} is held: {why}; look at its units first, or open the wave anyway")
    rollout.wave += 1
    rollout.save(update_fields=["wave"])
    record(
        actor,
        "rollout.advance",
        rollout.pk,
        details={"wave": rollout.wave} | ({"anyway": why} if why else {}),
    )
    _want(rollout)
    return rollout


@transaction.atomic
def withdraw(actor: Actor, rollout: Rollout, reason: str) -> Rollout:
    """Stop a rollout of a pack, and want of each unit the pack it had before, where this one is still what is wanted of it.

    Raises Conflict, Invalid.
    """
    must_operate(actor)
    rollout = queries.rollouts(actor).select_for_update(of=("self",)).get(pk=rollout.pk)
    if rollout.release.kind != Kind.PACK:
        raise Invalid(
            "only packs are withdrawn: a firmware that fails falls back by itself; release a newer one"
        )
    if rollout.withdrawn:
        raise Conflict(f"{rollout} was withdrawn already: {rollout.withdrawn_reason}")
    rollout.withdrawn, rollout.withdrawn_reason = timezone.now(), reason[:400]
    rollout.save(update_fields=["withdrawn", "withdrawn_reason"])
    asked = rollout.members.exclude(outcome__in=(Outcome.PLANNED, Outcome.SUPERSEDED))
    asked = asked.filter(unit__want__pack=rollout.release.version)
    withdrawn = Release.objects.filter(kind=Kind.PACK, rollouts__withdrawn__isnull=False)
    bad = set(withdrawn.values_list("version", flat=True))
    back: dict[str, list[str]] = {}
    for unit, previous in asked.values_list("unit_id", "previous"):
        good = previous if previous not in bad else ""
        back.setdefault(good or _fallback(rollout), []).append(unit)
    for version, units in back.items():
        if version:
            want_versions(units, pack=Version.parse(version))
    rollout.members.exclude(outcome__in=FINAL).update(outcome=Outcome.SUPERSEDED, changed=timezone.now())
    record(
        actor,
        "rollout.withdraw",
        rollout.pk,
        details={"release": str(rollout.release), "reason": reason[:400]},
    )
    return rollout


def _held(rollout: Rollout) -> str:
    if rollout.release.kind != Kind.FIRMWARE:
        return ""
    asked = rollout.members.exclude(outcome__in=(Outcome.PLANNED, Outcome.SUPERSEDED))
    outcomes = list(asked.values_list("outcome", flat=True))
    return waves.held(len(outcomes), outcomes.count(Outcome.DONE), outcomes.count(Outcome.FAILED))


def _fallback(rollout: Rollout) -> str:
    """For a unit that had the factory's pack: the newest older pack that is stable and was not withdrawn; none leaves it as it is.

    Where the repository does not say, none is: a withdrawal never waits for it.
    """
    older = Release.objects.filter(kind=Kind.PACK, added__lt=rollout.release.added)
    usable = older.exclude(rollouts__withdrawn__isnull=False)
    with suppress(Invalid):
        return next((each.version for each in usable[:_BACK] if is_stable(each)), "")
    return ""


def reported(unit: Unit, state: State) -> None:
    """Move the unit's open memberships on by what it just reported; call it in the transaction that stores that."""
    now = timezone.now()
    for member in (
        Member.objects.filter(unit=unit).exclude(outcome__in=FINAL).select_related("rollout__release")
    ):
        found = outcome(member.outcome, member.rollout.release, member.generation, state)
        if (found.outcome, found.reason) != (member.outcome, member.reason):
            member.outcome, member.reason, member.changed = found.outcome, found.reason[:400], now
            member.save(update_fields=["outcome", "reason", "changed"])


def _want(rollout: Rollout) -> None:
    """Raise the wants of the wave that is open now; what other rollouts of this kind still wanted is superseded."""
    due = rollout.members.filter(wave__lte=rollout.wave, outcome=Outcome.PLANNED)
    keys = list(due.values_list("unit_id", flat=True))
    now = timezone.now()
    older = Member.objects.filter(
        unit__in=keys, rollout__release__kind=rollout.release.kind, rollout__lt=rollout.pk
    )
    older.exclude(outcome__in=FINAL).update(outcome=Outcome.SUPERSEDED, changed=now)
    version = Version.parse(rollout.release.version)
    firmware = rollout.release.kind == Kind.FIRMWARE
    raised = want_versions(
        keys,
        firmware=version if firmware else None,
        pack=None if firmware else version,
        deadline=rollout.deadline,
    )
    members = list(due.select_related("unit"))
    for member in members:
        member.previous = "" if firmware or member.unit.pack == str(version) else member.unit.pack
        member.outcome, member.generation, member.changed = Outcome.WANTED, raised[member.unit_id], now
    Member.objects.bulk_update(members, ["outcome", "generation", "previous", "changed"], batch_size=300)


def _chosen(actor: Actor, audience: Audience) -> list[str]:
    seen = visible_units(actor)
    if audience.everything:
        chosen = set(seen.values_list("pk", flat=True))
    else:
        chosen = set(seen.filter(pk__in=audience.units).values_list("pk", flat=True))
        if missing := set(audience.units) - chosen:
            raise Invalid(f"no unit {min(missing)[:60]!r}")
        chosen |= set(seen.filter(site__in=audience.sites).values_list("pk", flat=True))
    if not chosen:
        raise Invalid("a rollout needs at least one unit")
    return sorted(chosen)
