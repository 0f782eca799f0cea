"""`detections`, `wiring`, `log`, `prune`."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import click

from omamori.fleet.accounts.actor import System
from omamori.fleet.commands.output import form_option, json_option, limit_option, show, write
from omamori.fleet.detections import export as exporting
from omamori.fleet.detections.queries import Filter
from omamori.fleet.detections.queries import detections as visible_detections
from omamori.fleet.ingest.operations import prune as drop_old
from omamori.fleet.ingest.queries import log as visible_log
from omamori.fleet.lan.queries import wiring as visible_wiring
from omamori.protocol.vocabulary import Action, Direction, Guard, Severity

CLI = System("command line")
_UNIT = click.option("--unit", default="", help="Only of this unit.")


@click.group()
def detections() -> None:
    """List and export detections."""


@detections.command("list")
@_UNIT
@click.option("--guard", type=click.Choice([guard.value for guard in Guard]), help="Only of this guard.")
@click.option(
    "--direction",
    type=click.Choice([direction.value for direction in Direction]),
    help="Only in this direction.",
)
@click.option(
    "--action", type=click.Choice([action.value for action in Action]), help="Only where this was done."
)
@click.option("--severity", type=click.IntRange(1, 3), help="This or higher.")
@click.option("--minutes", type=click.IntRange(1), help="Of the last so many minutes.")
@click.option("--text", default="", help="Part of signature, detail, host or address.")
@limit_option
@json_option
def list_detections(
    unit: str,
    guard: str | None,
    direction: str | None,
    action: str | None,
    severity: int | None,
    minutes: int | None,
    text: str,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Newest first."""
    wanted = Filter(
        unit=unit,
        guard=Guard(guard) if guard else None,
        direction=Direction(direction) if direction else None,
        action=Action(action) if action else None,
        severity=Severity(severity) if severity else None,
        since=datetime.now(UTC) - timedelta(minutes=minutes) if minutes else None,
        text=text,
    )
    rows: Iterable[Mapping[str, object]] = map(exporting.row, visible_detections(CLI, wanted)[:limit])
    show(rows if as_json else map(_short, rows), as_json=as_json, empty="no detections")


def _short(row: Mapping[str, object]) -> dict[str, object]:
    columns = ("time", "unit", "guard", "direction", "severity", "action", "signature", "host_name", "detail")
    shown = {column: row[column] for column in columns}
    if row["host_shared"]:
        shown["host_name"] = f"one of the devices behind {row['host_name'] or row['host_mac']}"
    return shown


@detections.command("export")
@_UNIT
@form_option
def export(unit: str, form: str) -> None:
    """All detections to stdout: CSV for spreadsheets, or a JSON object a line."""
    write(form, exporting.COLUMNS, exporting.rows(CLI, Filter(unit=unit)))


@click.group()
def wiring() -> None:
    """List wiring diagnoses."""


@wiring.command("list")
@_UNIT
@click.option("--history", is_flag=True, help="Past ones too.")
@limit_option
@json_option
def list_wiring(unit: str, limit: int, *, history: bool, as_json: bool) -> None:
    """The present diagnosis of each unit, root cause first."""
    rows = [
        {
            "unit": diagnosis.unit_id,
            "time": diagnosis.time,
            "current": diagnosis.current,
            "code": finding.code,
            "confidence": finding.confidence,
            "since": finding.since,
            "evidence": finding.evidence,
        }
        for diagnosis in visible_wiring(CLI, unit=unit, current=not history)[:limit]
        for finding in diagnosis.findings.all()
    ]
    show(rows, as_json=as_json, empty="no diagnosis yet")


@click.group()
def log() -> None:
    """List what units logged."""


@log.command("list")
@_UNIT
@limit_option
@json_option
def list_log(unit: str, limit: int, *, as_json: bool) -> None:
    """Newest first."""
    rows = [
        {
            "time": line.time,
            "unit": line.unit_id,
            "process": line.process,
            "level": line.level,
            "text": line.text,
        }
        for line in visible_log(CLI, unit=unit)[:limit]
    ]
    show(rows, as_json=as_json, empty="nothing was logged")


@click.command()
@json_option
def prune(*, as_json: bool) -> None:
    """Drop detections, log lines and diagnoses older than three months; run it daily."""
    show([drop_old(now=datetime.now(UTC))], as_json=as_json, empty="")


@click.command()
def openapi() -> None:
    """The operators' API as an OpenAPI document, as docs/reference/openapi.json has it."""
    from omamori.fleet.api.fleet import api

    print(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/"), indent=1, sort_keys=True))
