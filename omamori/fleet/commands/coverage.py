"""`coverage`: which hosts of a site are protected; `attention`: which units need the help desk."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import click

from omamori.fleet.accounts.actor import System
from omamori.fleet.accounts.queries import site as visible_site
from omamori.fleet.commands.output import json_option, show, write
from omamori.fleet.lan import history
from omamori.fleet.lan.attention import attention as listed
from omamori.fleet.lan.attention import plain as plain_row
from omamori.fleet.lan.coverage import COLUMNS, document, plain, report

CLI = System("command line")


@click.command()
@click.option("--site", type=click.IntRange(0, 2**63 - 1), required=True, help="The site's number.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for spreadsheets.")
@click.option("--history", "over_time", is_flag=True, help="How many, day by day.")
@click.option(
    "--days",
    type=click.IntRange(1, history.LONGEST),
    default=90,
    show_default=True,
    help="Of a history: the last so many.",
)
@json_option
def coverage(site: int, days: int, *, over_time: bool, as_csv: bool, as_json: bool) -> None:
    """Show which hosts are covered, on the wrong side, never seen though declared, gone, or private."""
    if over_time:
        _show_history(site, days, as_csv=as_csv, as_json=as_json)
        return
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


def _show_history(site: int, days: int, *, as_csv: bool, as_json: bool) -> None:
    found = history.history(CLI, site, days=days, now=datetime.now(UTC))
    rows = map(history.plain, found)
    if as_csv:
        write("csv", history.COLUMNS, rows)
    elif as_json:
        print(json.dumps(history.document(visible_site(CLI, site), found), ensure_ascii=False, indent=1))
    else:
        show(rows, as_json=False, empty="no day was counted yet")


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
