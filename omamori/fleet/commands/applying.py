"""`postpone`, `apply-when`, `fetching`: what customers choose on the portal, by the help desk for them."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.moments import moment
from omamori.fleet.commands.output import json_option, show_one
from omamori.fleet.errors import Invalid
from omamori.fleet.units import applying, operations, queries
from omamori.protocol.fetching import Fetching

CLI = System("command line")
WAYS = {"window": False, "power-cycle": True}


@click.command()
@click.argument("unit")
@click.option("--until", metavar="WHEN", help="2026-12-01T18:00 in the fleet's time zone, or 7d from now.")
@click.option("--end", "ended", is_flag=True, help="It is put off no longer.")
@json_option
def postpone(unit: str, until: str | None, *, ended: bool, as_json: bool) -> None:
    """Let UNIT not restart into its update before WHEN: at most 30 days after it was announced, and never beyond its
    security deadline. Without an option: show what it waits for, and how far it can be put off.
    """
    if until and ended:
        raise Invalid("say either --until WHEN or --end")
    now = datetime.now(UTC)
    if until:
        applying.postpone(CLI, unit, moment(until, now), now=now)
    if ended:
        applying.resume(CLI, unit)
    show_one(_said(unit, now), as_json=as_json)


@click.command()
@click.argument("unit")
@click.argument("way", type=click.Choice(list(WAYS)))
@json_option
def apply_when(unit: str, way: str, *, as_json: bool) -> None:
    """UNIT restarts into a new firmware by itself in its window, or only when its power is taken away and returns; a
    security deadline ends the wait in both cases.
    """
    applying.choose_way(CLI, unit, at_power_cycle=WAYS[way])
    show_one(_said(unit, datetime.now(UTC)), as_json=as_json)


@click.command()
@click.argument("unit")
@click.option(
    "--rate", type=int, help="Bytes a second at most over the customer's line; 0 is as much as there is."
)
@click.option(
    "--mirror", metavar="URL", help="Where a server on its LAN has targets/ of the repository; '' for none."
)
@json_option
def fetching(unit: str, rate: int | None, mirror: str | None, *, as_json: bool) -> None:
    """Choose how updates come to UNIT. Without an option: show it."""
    now = queries.unit(CLI, unit).want.fetching
    if rate is not None or mirror is not None:
        chosen = Fetching(now.rate if rate is None else rate, now.mirror if mirror is None else mirror)
        operations.set_fetching(CLI, unit, chosen)
    show_one({"unit": unit, **asdict(queries.unit(CLI, unit).want.fetching)}, as_json=as_json)


def _said(key: str, now: datetime) -> dict[str, object]:
    unit = queries.unit(CLI, key)
    want = unit.want
    return {
        "unit": unit.pk,
        "firmware": want.firmware if applying.pending(unit) else "",
        "waits_for": applying.waits_for(want, now),
        "at_power_cycle": want.at_power_cycle,
        "postponed_until": want.postponed_until,
        "postpone_limit": applying.limit(want),
        "deadline": want.deadline,
    }
