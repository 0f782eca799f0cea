"""`releases`, `rollouts`."""

from datetime import UTC, datetime

import click
from django.conf import settings

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.moments import moment
from omamori.fleet.commands.output import json_option, show, show_one
from omamori.fleet.errors import Invalid
from omamori.fleet.rollouts import deadlines, operations, queries
from omamori.fleet.rollouts.models import Kind, Member, Outcome, Rollout
from omamori.fleet.rollouts.repository import Offer, offers
from omamori.fleet.surfaces import addresses
from omamori.fleet.units.applying import waits_for

CLI = System("command line")
_KIND = click.Choice(Kind.values)


@click.group()
def releases() -> None:
    """List and add releases of the TUF repository."""


@releases.command("list")
@click.option("--offered", is_flag=True, help="What the repository has, whether added or not.")
@json_option
def list_releases(*, offered: bool, as_json: bool) -> None:
    """Newest first."""
    rows = [
        {
            "kind": row.kind,
            "version": row.version,
            "added": row.added,
            "targets": row.targets,
            "notes": row.notes,
            "about": row.about,
        }
        for row in queries.releases(CLI)
    ]
    if offered:
        found = offers(addresses.repository(settings.FLEET, settings.FLEET_STATE))
        rows = [{"kind": o.kind.value, "version": str(o.version), "targets": list(o.targets)} for o in found]
    show(rows, as_json=as_json, empty="no releases")


@releases.command("add")
@click.argument("kind", type=_KIND)
@click.argument("version")
@click.option("--notes", default="", help="What changed, for customers.")
def add_release(kind: str, version: str, notes: str) -> None:
    """Announce a version that the TUF repository has."""
    match = _offered(kind, version)
    operations.add_release(CLI, kind, version, notes=notes, targets=match.targets, about=match.about)


@releases.command("renew")
@click.argument("kind", type=_KIND)
@click.argument("version")
def renew_release(kind: str, version: str) -> None:
    """Show customers what a version says of itself now, where that was signed anew."""
    operations.say_anew(CLI, queries.release(CLI, kind, version), _offered(kind, version).about)


def _offered(kind: str, version: str) -> Offer:
    """Raises Invalid."""
    repository = addresses.repository(settings.FLEET, settings.FLEET_STATE)
    match = next((o for o in offers(repository) if (o.kind.value, str(o.version)) == (kind, version)), None)
    if match is None:
        raise Invalid(f"{repository} offers no {kind} {version[:40]!r} (see `releases list --offered`)")
    return match


@click.group()
def rollouts() -> None:
    """Create, list, show and advance rollouts."""


@rollouts.command("create")
@click.argument("kind", type=_KIND)
@click.argument("version")
@click.option("--unit", "units", multiple=True, help="This unit; may be repeated.")
@click.option(
    "--site", "sites", multiple=True, type=int, help="All units of this site (number); may be repeated."
)
@click.option("--all", "everything", is_flag=True, help="Every unit.")
@click.option("--first-wave", type=click.IntRange(1), help="So many units first, the rest by `advance`.")
@click.option(
    "--deadline",
    metavar="WHEN",
    help="Of a firmware that closes a hole: units restart into it by then, whatever their customers chose"
    " (2026-12-01T18:00 in the fleet's time zone, or 7d from now).",
)
@click.option("--note", default="", help="For whoever reads the list later.")
@click.option("--dry-run", is_flag=True, help="Only list the units that would be asked, and their waves.")
@json_option
def create(
    kind: str,
    version: str,
    units: tuple[str, ...],
    sites: tuple[int, ...],
    first_wave: int | None,
    deadline: str | None,
    note: str,
    *,
    everything: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Roll a release out; prints the rollout's number."""
    release = queries.release(CLI, kind, version)
    audience = operations.Audience(units=units, sites=sites, everything=everything)
    until = moment(deadline, datetime.now(UTC)) if deadline else None
    terms = operations.Terms(first_wave=first_wave or 0, deadline=until, note=note)
    if dry_run:
        planned = operations.plan(CLI, release, audience, terms)
        rows = ({"unit": unit, "wave": wave, "deadline": until} for unit, wave in planned)
        show(rows, as_json=as_json, empty="no units")
        return
    made = operations.create(CLI, release, audience, terms)
    if as_json:
        show_one(_row(made), as_json=True)
    else:
        print(made.pk)


@rollouts.command("list")
@json_option
def list_rollouts(*, as_json: bool) -> None:
    """Newest first, with progress."""
    show(map(_row, queries.rollouts(CLI)), as_json=as_json, empty="no rollouts")


@rollouts.command("show")
@click.argument("rollout", type=int)
@json_option
def show_rollout(rollout: int, *, as_json: bool) -> None:
    """One rollout with every unit's outcome."""
    found = queries.rollout(CLI, rollout)
    members = [_member(member) for member in queries.members(CLI, rollout=rollout)]
    if as_json:
        show_one(_row(found) | {"members": members}, as_json=True)
    else:
        show_one(_row(found), as_json=False)
        show(members, as_json=False, empty="no units")


@rollouts.command("advance")
@click.argument("rollout", type=int)
@click.option(
    "--anyway", is_flag=True, help="Also where no unit runs the firmware yet, or some went back from it."
)
def advance(rollout: int, *, anyway: bool) -> None:
    """Open the next wave: of a firmware once units of the waves before run it, and few went back."""
    operations.advance(CLI, queries.rollout(CLI, rollout), anyway=anyway)


@rollouts.command("deadline")
@click.argument("rollout", type=int)
@click.argument("when", metavar="WHEN|none")
@json_option
def deadline(rollout: int, when: str, *, as_json: bool) -> None:
    """Set, move or take back a firmware's security deadline: by WHEN (2026-12-01T18:00, 7d, 12h) its units restart into
    it, whatever window, postponement or power cycle their customers chose; `none` leaves it to them.
    """
    now = datetime.now(UTC)
    until = None if when == "none" else moment(when, now)
    changed = deadlines.set_deadline(CLI, queries.rollout(CLI, rollout), until, now=now)
    show_one(_row(changed), as_json=as_json)


@rollouts.command("withdraw")
@click.argument("rollout", type=int)
@click.option("--reason", required=True, help="For whoever reads the list later.")
def withdraw(rollout: int, reason: str) -> None:
    """Take a pack back from the units that were asked: each goes back to the pack it had."""
    operations.withdraw(CLI, queries.rollout(CLI, rollout), reason)


def _member(member: Member) -> dict[str, object]:
    staged = member.outcome == Outcome.STAGED
    return {
        "unit": member.unit_id,
        "wave": member.wave,
        "outcome": member.outcome,
        "waits_for": waits_for(member.unit.want, datetime.now(UTC)) if staged else "",
        "reason": member.reason,
        "changed": member.changed,
    }


def _row(rollout: Rollout) -> dict[str, object]:
    progress = queries.progress(CLI, rollout.pk)
    return {
        "rollout": rollout.pk,
        "kind": rollout.release.kind,
        "version": rollout.release.version,
        "created": rollout.created,
        "wave": rollout.wave,
        "units": progress.total,
        "done": progress.done,
        "failed": progress.failed,
        "open": progress.open,
        "deadline": rollout.deadline,
        "withdrawn": rollout.withdrawn_reason if rollout.withdrawn else "",
        "note": rollout.note,
    }
