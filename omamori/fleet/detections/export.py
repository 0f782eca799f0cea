"""Detections as flat rows for programs and spreadsheets."""

from collections.abc import Iterator
from datetime import datetime

from omamori.fleet.accounts.actor import Actor
from omamori.fleet.detections.models import Detection
from omamori.fleet.detections.queries import Filter, detections

COLUMNS = (
    "alert", "time", "received", "unit", "site", "guard", "direction", "severity", "action", "signature_id",
    "signature", "category", "detail", "reason", "protocol", "source_address", "source_port",
    "destination_address", "destination_port", "host_name", "host_mac", "host_shared",
)  # fmt: skip
"""In order."""

Cell = str | int | None


def rows(actor: Actor, wanted: Filter) -> Iterator[dict[str, Cell]]:
    """Every matching detection, streamed, newest first."""
    yield from map(row, detections(actor, wanted).iterator(chunk_size=500))


def row(detection: Detection) -> dict[str, Cell]:
    """One detection by `COLUMNS`; times in ISO 8601, UTC."""
    return {column: _cell(detection, column) for column in COLUMNS}


def _cell(detection: Detection, column: str) -> Cell:
    value = detection.unit_id if column == "unit" else getattr(detection, column)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, int | None) else str(value)
