"""`usage`: sums of what hosts used, and the export of daily rows."""

from datetime import date, timedelta

import click
from django.utils import timezone

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.output import form_option, json_option, limit_option, show, write
from omamori.fleet.usage import queries

CLI = System("command line")
_UNIT = click.option("--unit", default="", help="Only of this unit.")
_DAYS = click.option(
    "--days", type=click.IntRange(1), default=30, show_default=True, help="Of the last so many."
)


@click.group()
def usage() -> None:
    """Show how much hosts used which applications and site categories."""


@usage.command("list")
@_UNIT
@_DAYS
@click.option(
    "--by",
    type=click.Choice([by.value for by in queries.By]),
    multiple=True,
    default=("application",),
    show_default=True,
    help="May be given several times.",
)
@click.option("--category", default="", help="Only of this category or kind.")
@click.option("--host", default="", help="Only of this MAC address or address.")
@limit_option
@json_option
def list_usage(
    unit: str, days: int, by: tuple[str, ...], category: str, host: str, limit: int, *, as_json: bool
) -> None:
    """Sums, the largest download first."""
    wanted = queries.Filter(unit=unit, since=_first(days), category=category, host=host)
    rows = queries.sums(CLI, wanted, *(queries.By(each) for each in by))[:limit]
    show(map(queries.plain, rows), as_json=as_json, empty="no usage was reported")


@usage.command("export")
@_UNIT
@_DAYS
@form_option
def export(unit: str, days: int, form: str) -> None:
    """Daily rows to stdout: CSV for spreadsheets, or a JSON object a line."""
    rows = queries.exported(CLI, queries.Filter(unit=unit, since=_first(days)))
    write(form, queries.COLUMNS, rows)


def _first(days: int) -> date:
    return timezone.localdate() - timedelta(days=days - 1)
