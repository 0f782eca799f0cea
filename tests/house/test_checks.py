"""The house checks itself: style, types, import contracts, generated files, and what must never be committed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab import reference

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.prefix) / "bin"
CODE = ("omamori", "lab", "tests", "tasks.py")
FORBIDDEN = {
    "a registry's host": re.compile(
        r"deb\.debian\.org|pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|security\.debian\.org"
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{40}"),
    "a path of one machine": re.compile(r"(?<![\w.])/(?:work|farm)/[a-z]"),
}
LIMIT = 5_000_000


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    return [
        ROOT / os.fsdecode(name)
        for name in listed.split(b"\0")
        if name and (ROOT / os.fsdecode(name)).is_file()
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--check", *CODE),
        ("ruff", "check", *CODE),
        ("mypy", "omamori", "lab"),
        ("lint-imports",),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_checker_is_content(command):
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("name", reference.FILES)
def test_generated_file_is_current(name):
    made = reference.generate(name)
    assert (ROOT / name).read_text(encoding="utf-8") == made, (
        f"{name} is out of date: run ./inv docs and review the change"
    )


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_nothing_forbidden_is_tracked(what):
    pattern = FORBIDDEN[what]
    here = Path(__file__).resolve()
    found = [
        f"{path.relative_to(ROOT)}: {match.group()!r}"
        for path in _tracked()
        if path != here and path.suffix not in {".png", ".mo", ".pcap"}
        for match in [pattern.search(path.read_text(encoding="utf-8", errors="replace"))]
        if match
    ]
    assert not found


def test_no_tracked_file_is_too_large():
    assert [str(path) for path in _tracked() if path.stat().st_size > LIMIT] == []
