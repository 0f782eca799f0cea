"""The tests that documents name are there: a promise that points nowhere is none."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")


def named():
    documents = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")]
    return {(where.name, *found) for where in documents for found in NAMED.findall(where.read_text())}


def is_there(file, test):
    path = PROJECT / file
    return path.is_file() and f"def {test}" in path.read_text()


def test_documents_name_tests():
    assert len({test for _, _, test in named()}) > 100


def test_every_test_that_a_document_names_is_there():
    missing = [(where, file, test) for where, file, test in named() if not is_there(file, test)]
    assert not missing
