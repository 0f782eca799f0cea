"""The threat model claims nothing that no test holds."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs/threat-model.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
FILE_ONLY = re.compile(r"tests/[\w/]+\.py(?!::)")


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables(text: str) -> list[tuple[str, list[list[str]]]]:
    """(the line before, header and rows) of every table."""
    found: list[tuple[str, list[list[str]]]] = []
    for before, line in pairwise(["", *filter(None, text.splitlines())]):
        if not line.startswith("|"):
            continue
        if not before.startswith("|"):
            found.append((before, []))
        if set(line) - set("|- "):
            found[-1][1].append(cells_of(line))
    return found


TABLES = tables(TEXT)


def fault(header: list[str], row: list[str]) -> str:
    """What a row of a table whose last column is `test` lacks."""
    if len(row) != len(header):
        return "a cell too many, or too few"
    if not all(row):
        return "an empty cell"
    if not NAMED.search(row[-1]):
        return "no test"
    return "more than names of tests in the last cell" if NAMED.sub("", row[-1]).strip(", ") else ""


def is_there(path: str, name: str) -> bool:
    """A function of that name at the file's top, where pytest finds it."""
    file = PROJECT / path
    return file.is_file() and bool(re.search(rf"^def {name}\(", file.read_text(), re.MULTILINE))


def test_every_test_the_threat_model_names_exists():
    named = NAMED.findall(TEXT)
    assert len(named) > 150
    assert [f"{path}::{name}" for path, name in named if not is_there(path, name)] == []


def test_every_row_names_a_test():
    tested = [(header, rows) for _, (header, *rows) in TABLES if header[-1] == "test"]
    assert len(tested) > 8
    assert sum(len(rows) for _, rows in tested) > 80
    faults = [(row[0], what) for header, rows in tested for row in rows if (what := fault(header, row))]
    assert faults == []


def test_a_table_without_such_a_column_has_one_test_for_all_of_it():
    assert [
        header for before, (header, *_) in TABLES if header[-1] != "test" and not NAMED.search(before)
    ] == []


def test_no_whole_file_stands_in_for_a_test():
    assert set(FILE_ONLY.findall(TEXT)) == {"tests/signing/test_threat_model.py"}


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("| a | b | |", "an empty cell"),
        ("| a | b | nobody would |", "no test"),
        ("| a | b | `tests/x.py` |", "no test"),
        ("| a | b | `tests/x.py::test_x`, `tests/y.py` |", "more than names"),
        ("| a | `tests/x.py::test_x` |", "too few"),
        ("| a | b | `tests/x.py::test_x` |", ""),
    ],
)
def test_a_row_that_lacks_something_is_noticed(row, what):
    ((before, (header, cells)),) = tables(f"Words.\n\n| it | the unit | test |\n| --- | --- | --- |\n{row}\n")
    assert before == "Words."
    assert what in fault(header, cells)
    assert bool(what) == bool(fault(header, cells))
