"""`units`, `window`, `apply-now`."""

from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import click
from django.conf import settings

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.models import Site
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.accounts.queries import sites
from omamori.fleet.commands.output import json_option, show, show_one
from omamori.fleet.errors import Invalid
from omamori.fleet.lan.queries import wiring
from omamori.fleet.surfaces import addresses
from omamori.fleet.units import applying, operations, queries
from omamori.fleet.units.models import Unit
from omamori.fleet.units.reports import REASONS
from omamori.protocol import ProtocolError, WindowError
from omamori.protocol.ids import UnitId
from omamori.protocol.label import label_code
from omamori.protocol.messages import Claim, decode, encode
from omamori.protocol.window import RebootWindow

CLI = System("command line")


@click.group()
def units() -> None:
    """List, show, register, move units; renew claims."""


@units.command("list")
@click.option("--site", type=int, help="Only at this site (number).")
@click.option("--online/--offline", default=None, help="Only those.")
@json_option
def list_units(site: int | None, *, online: bool | None, as_json: bool) -> None:
    """All units."""
    found = queries.units(CLI)
    found = found if site is None else found.filter(site=site)
    found = found if online is None else found.filter(online=online)
    show((_row(unit) for unit in found), as_json=as_json, empty="no units")


def _row(unit: Unit) -> dict[str, object]:
    return {
        "unit": unit.pk,
        "name": unit.name,
        "customer": unit.site.customer.name,
        "site": unit.site.name,
        "activated": unit.activated,
        "online": unit.online,
        "last_seen": unit.last_seen,
        "firmware": unit.firmware,
        "slot": unit.slot,
        "pack": unit.pack,
        "update": unit.update_phase,
        "update_version": unit.update_version,
    }


@units.command("show")
@click.argument("unit")
@json_option
def show_unit(unit: str, *, as_json: bool) -> None:
    """Everything known of one unit."""
    found = queries.unit(CLI, unit)
    counters = ("workers", "packets", "blocked", "neutralised", "bypassed", "events_lost")
    diagnosis = wiring(CLI, unit=unit).first()
    details = {
        "update_error": found.update_error,
        "update_changed": found.update_changed,
        "booted_healthy": found.booted_healthy,
        "reboot_at": found.reboot_at,
        "state_time": found.state_time,
        "uptime": found.uptime,
        **{name: getattr(found, name) for name in counters},
        **{kind: found.reasons.get(kind, {}) for kind in REASONS},
        "wiring": [finding.code for finding in diagnosis.findings.all()] if diagnosis else [],
        "want": _want(found),
        "generation": found.generation,
        "presence_changed": found.presence_changed,
    }
    show_one(_row(found) | details, as_json=as_json)


def _want(unit: Unit) -> dict[str, object]:
    row = unit.want
    return {
        "generation": row.generation,
        "firmware": row.firmware,
        "pack": row.pack,
        "apply": row.apply,
        "at_power_cycle": row.at_power_cycle,
        "postponed_until": row.postponed_until,
        "postpone_limit": applying.limit(row),
        "deadline": row.deadline,
        "window": _window(row.window),
        "fetching": asdict(row.fetching),
    }


def _window(window: RebootWindow) -> dict[str, object]:
    return {
        "timezone": window.timezone,
        "weekdays": list(window.weekdays),
        "start": window.start,
        "end": window.end,
    }


@units.command("register")
@click.argument("unit")
@click.option("--site", type=int, help="The site's number.  [default: the only one]")
@click.option("--name", default="", help="What people call it.")
@click.option("--secret", default="", help="A claim secret of 20 characters or more.  [default: generated]")
def register(unit: str, site: int | None, name: str, secret: str) -> None:
    """Make a unit known; prints the claim that the factory writes into it, this once."""
    secret = operations.register(CLI, unit, _site(site), name=name, secret=secret)
    print(_claim(unit, secret))


@units.command("renew-claim")
@click.argument("unit")
def renew_claim(unit: str) -> None:
    """Let a repaired unit activate again; prints its new claim. Its old certificate opens nothing any more."""
    print(_claim(unit, operations.renew_claim(CLI, unit)))


@units.command("readmit")
@click.argument("unit")
def readmit(unit: str) -> None:
    """Let a unit that was reset by its button activate again with the claim it has, by a press of the button."""
    operations.readmit(CLI, unit)


@units.command("label")
@click.argument("claim", type=click.File("rb"))
def label(claim: BinaryIO) -> None:
    """Print the code for a unit's label, from its claim (a file, or - for what `register` prints)."""
    try:
        found = decode(Claim, claim.read(1_000_000))
    except ProtocolError as error:
        raise Invalid(f"not a claim: {error}") from error
    print(label_code(found.unit, found.secret))


@units.command("move")
@click.argument("unit")
@click.option("--site", type=int, required=True, help="The new site's number.")
def move(unit: str, site: int) -> None:
    """The unit stands at another site from now on; what it reported so far stays with the old one."""
    operations.move(CLI, unit, visible_site(CLI, site))


@click.group()
def window() -> None:
    """Show and set a unit's reboot window."""


@window.command("show")
@click.argument("unit")
@json_option
def show_window(unit: str, *, as_json: bool) -> None:
    """When this unit may reboot."""
    show_one(_window(queries.unit(CLI, unit).want.window), as_json=as_json)


@window.command("set")
@click.argument("unit")
@click.option("--timezone", default="Asia/Tokyo", show_default=True, help="An IANA name.")
@click.option("--weekdays", default="1,2,3,4,5,6,7", show_default=True, help="1 is Monday.")
@click.option("--start", required=True, help="HH:MM")
@click.option("--end", required=True, help="HH:MM; not later than --start means the next day.")
def set_window(unit: str, timezone: str, weekdays: str, start: str, end: str) -> None:
    """Set when this unit may reboot."""
    try:
        days = tuple(int(day) for day in weekdays.split(","))
        chosen = RebootWindow(timezone, days, start, end)
    except (WindowError, ValueError) as error:
        raise Invalid(f"not a window: {error}") from error
    operations.set_window(CLI, unit, chosen)


@click.command()
@click.argument("unit")
def apply_now(unit: str) -> None:
    """Let a staged firmware reboot this unit now, outside its window."""
    operations.apply_now(CLI, unit)


def _site(key: int | None) -> Site:
    if key is not None:
        return visible_site(CLI, key)
    found = list(sites(CLI)[:2])
    if len(found) != 1:
        raise Invalid(
            f"there are {len(found) or 'no'} sites or more: give --site (see `omamori fleet sites list`)"
        )
    return found[0]


def _claim(unit: str, secret: str) -> str:
    root = Path(settings.FLEET_STATE.authority / "root.pem").read_text("ascii")
    return encode(Claim(UnitId(unit), secret, addresses.units_url(settings.FLEET), root)).decode()
