"""`hosts`: list them, say what the customer says of them, and declare which ought to be covered."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

import click

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.output import json_option, limit_option, show, show_one
from omamori.fleet.lan import apart, customer, queries
from omamori.fleet.lan.declarations import BYTES_CAP, read
from omamori.fleet.lan.models import Host, Ownership

CLI = System("command line")


@click.group()
def hosts() -> None:
    """List hosts behind the units; name them, and declare which ought to be covered."""


@hosts.command("list")
@click.option("--unit", default="", help="Only of this unit.")
@click.option("--side", type=click.Choice(["behind", "router"]), help="Only on this side of the unit.")
@limit_option
@json_option
def list_hosts(unit: str, side: str | None, limit: int, *, as_json: bool) -> None:
    """Last seen first."""
    found = queries.hosts(CLI, unit=unit, side=side or "")[:limit]
    rows: Iterable[Mapping[str, object]] = map(_host, found)
    show(rows if as_json else map(_short, rows), as_json=as_json, empty="no hosts")


def _host(host: Host) -> dict[str, object]:
    return {
        "host": host.pk,
        "unit": host.unit_id,
        "mac": host.mac,
        "name": host.name,
        "name_source": host.name_source,
        "given_name": host.given_name,
        "ownership": host.ownership,
        "vendor": host.vendor,
        "kind": host.kind,
        "system": host.system,
        "side": host.side,
        "addresses": [lease.address for lease in host.addresses.all()],
        "device": host.device,
        "device_reason": host.device_reason,
        "shared": host.shared,
        "shared_reasons": host.shared_reasons,
        "first_seen": host.first_seen,
        "last_seen": host.last_seen,
    }


def _short(row: Mapping[str, object]) -> dict[str, object]:
    columns = ("host", "unit", "mac", "name", "kind", "system", "vendor", "side", "addresses", "last_seen")
    return {column: row[column] for column in columns} | {"name": row["given_name"] or row["name"]}


@hosts.command("describe")
@click.argument("host", type=click.IntRange(0, 2**63 - 1))
@click.option("--name", help="What the customer calls it; empty takes the name away.")
@click.option("--company", "ownership", flag_value="company", help="It is the company's.")
@click.option("--private", "ownership", flag_value="private", help="It is privately owned: not insured.")
@click.option("--unknown", "ownership", flag_value="", help="Nobody knows whose it is.")
def describe(host: int, name: str | None, ownership: str | None) -> None:
    """Say what the customer calls a host (by its number) and whose it is."""
    said = Ownership(ownership) if ownership is not None else None
    customer.describe(CLI, host, name=name, ownership=said)


@hosts.command("declared")
@click.option("--site", type=click.IntRange(0, 2**63 - 1), required=True, help="The site's number.")
@json_option
def list_declared(site: int, *, as_json: bool) -> None:
    """The hosts of a site that ought to be covered."""
    rows = (
        {"declared": row.pk, "name": row.name, "mac": row.mac, "added": row.added}
        for row in queries.declared(CLI, site)
    )
    show(rows, as_json=as_json, empty="no host is declared")


@hosts.command("declare")
@click.argument("table", type=click.File("rb"))
@click.option("--site", type=click.IntRange(0, 2**63 - 1), required=True, help="The site's number.")
@click.option("--replace", is_flag=True, help="Take away those that the list does not name.")
@json_option
def declare(table: BinaryIO, site: int, *, replace: bool, as_json: bool) -> None:
    """Declare the hosts of a CSV file (`-` is stdin): name, MAC address."""
    change = customer.declare(CLI, site, read(table.read(BYTES_CAP + 1)), replace=replace)
    row = {"added": change.added, "kept": change.kept, "removed": change.removed}
    show_one(row, as_json=as_json)


@hosts.command("withdraw")
@click.argument("declared", type=click.IntRange(0, 2**63 - 1))
def withdraw(declared: int) -> None:
    """A declared host (by its number) need not be covered any more."""
    customer.withdraw(CLI, declared)


@hosts.command("part")
@click.argument("host", type=click.IntRange(0, 2**63 - 1))
@click.option("--reason", required=True, help="Why; kept for the audit.")
def part(host: int, reason: str) -> None:
    """A host (by its number) is not the device its unit takes it for; prints the pair's number."""
    print(apart.part(CLI, host, reason=reason, now=datetime.now(UTC)).pk)


@hosts.command("rejoin")
@click.argument("pair", type=click.IntRange(0, 2**63 - 1))
@click.option("--reason", required=True, help="Why; kept for the audit.")
def rejoin(pair: int, reason: str) -> None:
    """Take that back: the units may take the pair for one device again."""
    apart.rejoin(CLI, pair, reason=reason)


@hosts.command("apart")
@click.option("--site", type=click.IntRange(0, 2**63 - 1), help="Only of this site.")
@json_option
def list_apart(site: int | None, *, as_json: bool) -> None:
    """Pairs that were told to be two devices."""
    columns = ("first", "second", "added", "added_by", "reason")
    rows = (
        {"pair": row.pk, "site": row.site_id} | {column: getattr(row, column) for column in columns}
        for row in queries.apart(CLI, site=site)
    )
    show(rows, as_json=as_json, empty="no hosts are set apart")
