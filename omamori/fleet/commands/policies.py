"""`exceptions`, `policy`."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import click

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.moments import duration
from omamori.fleet.commands.output import json_option, limit_option, show, show_one
from omamori.fleet.policies import operations, queries
from omamori.fleet.policies.models import Exemption
from omamori.fleet.units.queries import unit as visible_unit
from omamori.protocol.policy import Response
from omamori.protocol.wire import to_wire

CLI = System("command line")
Command = TypeVar("Command", bound=Callable[..., object])


def _scope_options(command: Command) -> Command:
    """`--unit` or `--site`, one of the two."""
    unit = click.option("--unit", default="", help="At this unit.")
    site = click.option("--site", type=int, help="At every unit of this site (number).")
    return unit(site(command))


@click.group()
def exceptions() -> None:
    """List, add and end exceptions to what the guards stop."""


@exceptions.command("list")
@click.option("--unit", default="", help="Only those that concern this unit.")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@limit_option
@json_option
def list_exceptions(unit: str, limit: int, *, everything: bool, as_json: bool) -> None:
    """Newest first."""
    now = datetime.now(UTC)
    found = queries.exemptions(CLI, unit=unit, active_at=None if everything else now)
    show((_row(row, now) for row in found[:limit]), as_json=as_json, empty="no exceptions")


@exceptions.command("add")
@_scope_options
@click.option("--host", default="", help="MAC address of the inside host.")
@click.option("--rule", default="", help="A sid, gid:sid, or the signature id of a detection.")
@click.option("--destination", default="", help="An address, a network or a domain.")
@click.option("--for", "lasts", required=True, metavar="DURATION", help="How long: 90s, 30m, 12h, 7d.")
@click.option("--reason", required=True, help="Why; kept for the audit.")
def add(unit: str, site: int | None, host: str, rule: str, destination: str, lasts: str, reason: str) -> None:
    """Let matches pass that fit all of --host, --rule and --destination; prints the exception's number."""
    where = operations.scope(CLI, unit=unit, site=site)
    criteria = operations.Criteria(host=host, rule=rule, destination=destination)
    now = datetime.now(UTC)
    print(operations.add(CLI, where, criteria, lasts=duration(lasts), reason=reason, now=now).pk)


@exceptions.command("end")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; kept for the audit.")
def end(number: int, reason: str) -> None:
    """It holds no longer."""
    operations.end(CLI, number, reason=reason, now=datetime.now(UTC))


@click.group()
def policy() -> None:
    """Show and change what the guards of units do."""


@policy.command("show")
@click.argument("unit")
@json_option
def show_policy(unit: str, *, as_json: bool) -> None:
    """All that holds for a unit, its own and its site's."""
    found = to_wire(queries.policy_of(visible_unit(CLI, unit), now=datetime.now(UTC)))
    assert isinstance(found, dict)  # noqa: S101 - a dataclass always is
    show_one(found, as_json=as_json)


@policy.command("block")
@_scope_options
@click.argument("categories", nargs=-1, required=True)
def block(unit: str, site: int | None, categories: tuple[str, ...]) -> None:
    """Block sites of these categories, which are logged otherwise."""
    where = operations.scope(CLI, unit=unit, site=site)
    operations.block_categories(CLI, where, categories, blocked=True)


@policy.command("unblock")
@_scope_options
@click.argument("categories", nargs=-1, required=True)
def unblock(unit: str, site: int | None, categories: tuple[str, ...]) -> None:
    """Only log sites of these categories again."""
    where = operations.scope(CLI, unit=unit, site=site)
    operations.block_categories(CLI, where, categories, blocked=False)


@policy.command("respond")
@_scope_options
@click.argument("subject")
@click.argument("response", type=click.Choice([*(each.value for each in Response), "default"]))
@click.option("--reason", required=True, help="Why; kept for the audit.")
def respond(unit: str, site: int | None, subject: str, response: str, reason: str) -> None:
    """What SUBJECT (a guard, a sid, gid:sid or signature id) does about its matches."""
    where = operations.scope(CLI, unit=unit, site=site)
    operations.respond(CLI, where, subject, "" if response == "default" else response, reason=reason)


@policy.command("trial")
@_scope_options
@click.argument("days", type=int)
def trial(unit: str, site: int | None, days: int) -> None:
    """A rule younger than DAYS is told only; 0 lets every rule act at once."""
    operations.set_trial(CLI, operations.scope(CLI, unit=unit, site=site), days)


def _row(row: Exemption, now: datetime) -> dict[str, object]:
    return {
        "exception": row.pk,
        "for": row.unit_id or f"site {row.site_id}",
        "host": row.host,
        "rule": row.rule,
        "destination": row.destination,
        "until": row.until,
        "active": row.active(now),
        "waiting": queries.waiting(row),
        "created": row.created,
        "created_by": row.created_by,
        "reason": row.reason,
        "ended": row.ended,
        "ended_by": row.ended_by,
    }
