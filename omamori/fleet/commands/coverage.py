"""`coverage`: which hosts of a site are protected; `attention`: which units need the help desk."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import click

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.output import json_option, show, write
from omamori.fleet.lan.attention import attention as listed
from omamori.fleet.lan.attention import plain as plain_row
from omamori.fleet.lan.coverage import COLUMNS, document, plain, report

CLI = System("command line")


@click.command()
@click.option("--site", type=click.IntRange(0, 2**63 - 1), required=True, help="The site's number.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for spreadsheets.")
@json_option
def coverage(site: int, *, as_csv: bool, as_json: bool) -> None:
    """Show which hosts are covered, on the wrong side, never seen though declared, gone, or private."""
    found = report(CLI, site, now=datetime.now(UTC))
    if as_json:
        print(json.dumps(document(found), ensure_ascii=False, indent=1))
    elif as_csv:
        write("csv", COLUMNS, map(plain, found.rows))
    else:
        show([found.counts], as_json=False, empty="")
        columns = ("state", "name", "mac", "kind", "unit", "last_seen")
        rows = [{column: getattr(row, column) for column in columns} for row in found.rows]
        show(rows, as_json=False, empty="no host is known or declared")


@click.command()
@json_option
def attention(*, as_json: bool) -> None:
    """List units that never came, went silent, log nothing or cover few hosts, with the next step; ask daily."""
    rows: list[Mapping[str, object]] = [plain_row(row) for row in listed(CLI, now=datetime.now(UTC))]
    columns = ("unit", "customer", "site_name", "reason", "since", "evidence", "wiring")
    if as_json:
        show(rows, as_json=True, empty="")
        return
    show(({column: row[column] for column in columns} for row in rows), as_json=False, empty="nothing")
    for row in rows:
        print(f"\n{row['unit']}: {row['next_step']}\n{row['next_step_ja']}")
