"""The exit codes that timers and scripts see: of the program itself, not of what click tells a test."""

import subprocess
import sys

import pytest


def code(*words: object) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "omamori", *map(str, words)], capture_output=True, timeout=60, check=False
    )
    return done.returncode


def test_a_reminder_ends_with_code_3_when_there_is_something_to_do(desk):
    status = ("sign", "--dir", desk.repository, "status")
    assert code(*status, "--within", 3650) == 3
    assert code(*status, "--within", 30) == 0
    assert code(*status) == 0


def test_an_audit_that_finds_something_ends_with_code_3(desk):
    www = desk.place / "www"
    desk.signed("publish", "--to", www)
    assert code("sign", "audit", www) == 0
    (www / "metadata/1.firmware.json").unlink()
    assert code("sign", "audit", www) == 3
    assert code("sign", "audit", www, "--json") == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("sign", "status", "--help"), 0),
        (("sign", "--dir", "/nowhere", "status"), 1),
        (("sign", "no-such-command"), 2),
        (("sign", "publish"), 2),
    ],
)
def test_help_is_no_failure_and_the_others_are_as_before(words, expected):
    assert code(*words) == expected
