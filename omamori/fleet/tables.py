"""Rows as text for spreadsheets and programs: CSV that runs no formula, JSON lines. One way for pages, API and command line."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

Cell = TypeVar("Cell")
MARK: Final = "\ufeff"
"""Excel takes UTF-8 for what it is only with this in front of a file."""
FORMS: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
"""Media types by the form's name."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def for_spreadsheet(row: Mapping[str, Cell]) -> dict[str, Cell | str]:
    """The same with text that a spreadsheet would run as a formula made harmless by an apostrophe."""
    return {
        column: f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
        for column, value in row.items()
    }


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """A heading and a line for each row, whose keys are `columns` in any order; streamed."""
    table = csv.writer(_Line())
    yield table.writerow(columns)
    for row in rows:
        safe = for_spreadsheet(row)
        yield table.writerow([safe[column] for column in columns])


def json_lines(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """A JSON object a line."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def file_lines(form: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """What a file of one of FORMS holds."""
    if form == "csv":
        yield MARK
        yield from csv_lines(columns, rows)
    else:
        yield from json_lines(rows)


class _Line:
    """A file that gives back what csv writes to it."""

    def write(self, text: str) -> str:
        return text
