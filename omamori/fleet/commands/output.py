"""How listings are printed: aligned columns for people, one JSON document for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from unicodedata import east_asian_width

import click
from django.utils import timezone

from omamori.fleet.tables import csv_lines, json_lines

Row = Mapping[str, object]
Command = TypeVar("Command", bound=Callable[..., object])


def json_option(command: Command) -> Command:
    """The `--json` flag every listing has."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def limit_option(command: Command) -> Command:
    """The `--limit` option of long listings."""
    help_text = "Print at most this many."
    kind = click.IntRange(1, 1_000_000)
    return click.option("--limit", type=kind, default=100, show_default=True, help=help_text)(command)


def form_option(command: Command) -> Command:
    """The `--format` option of exports."""
    kind = click.Choice(["csv", "json"])
    option = click.option(
        "--format", "form", type=kind, default="csv", show_default=True, help="Of the output."
    )
    return option(command)


def write(form: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """An export to stdout: CSV for spreadsheets, or a JSON object a line."""
    lines = csv_lines(columns, rows) if form == "csv" else json_lines(rows)
    sys.stdout.writelines(lines)


def show(rows: Iterable[Row], *, as_json: bool, empty: str) -> None:
    """Print rows that all have the same keys; `empty` is said to people where there are none."""
    found = list(rows)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1, default=_plain))
    elif found:
        _table(found)
    else:
        click.echo(empty, err=True)


def show_one(row: Row, *, as_json: bool) -> None:
    """Print one thing, a line for each field."""
    if as_json:
        print(json.dumps(row, ensure_ascii=False, indent=1, default=_plain))
        return
    width = max(map(len, row))
    for key, value in row.items():
        print(f"{key:<{width}}  {_text(value)}")


def _table(rows: Sequence[Row]) -> None:
    columns = list(rows[0])
    cells = [
        [column.upper().replace("_", " ") for column in columns],
        *[[_text(row[c]) for c in columns] for row in rows],
    ]
    widths = [min(max(_width(line[place]) for line in cells), 60) for place in range(len(columns))]
    for line in cells:
        print(
            "  ".join(
                cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
            ).rstrip()
        )


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _text(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return ", ".join(_text(item) for item in value) or "-"
        case dict():
            return ", ".join(f"{key}: {_text(item)}" for key, item in value.items()) or "-"
        case _:
            return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value))


def _plain(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
