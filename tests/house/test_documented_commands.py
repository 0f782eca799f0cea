"""Every command that the README and the guides show exists, with the options they show.

Commands are read out of the fenced `sh` blocks and of inline code. `./inv` tasks are asked for their help through the real
front door, which also runs its set-up; `omamori` commands are parsed as the command line would, without being run.
"""

import functools
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from omamori.cli import omamori
from omamori.firmware.cli import unit

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "README.ja.md",
    *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs/guides").glob("*.md"))),
)
GROUPS = {"omamori": omamori, "omamori-unit": unit}
_FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:omamori|omamori-unit|\./inv) [^`\n]+)`")


def _commands(page: str) -> list[list[str]]:
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [line for block in _FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in (*lines, *_INLINE.findall(text))]
    return [command for command in words if command and command[0] in (*GROUPS, "./inv")]


SHOWN = [(page, command) for page in PAGES for command in _commands(page)]


@functools.cache
def _asked(*words: str) -> str:
    done = subprocess.run(
        [ROOT / "inv", *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _resolved(command: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words lead to, and the words left for it."""
    found: click.Command = GROUPS[command[0]]
    rest = command[1:]
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        inner = found.get_command(click.Context(found), rest[0])
        assert inner is not None, f"{found.name} has no {rest[0]}"
        found, rest = inner, rest[1:]
    return found, rest


def test_the_pages_show_commands():
    assert {page for page, _ in SHOWN} >= {"README.md", "README.ja.md", "docs/guides/operator.md"}


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=[f"{p}: {shlex.join(c)[:60]}" for p, c in SHOWN])
def test_documented_command_exists(page, command):  # noqa: ARG001 - the page is for the reader of a failure
    if command[0] == "./inv":
        task = command[1]
        if task.startswith("-"):
            assert _asked(task)
            return
        known, options = _asked("--help", task), command[2:]
    else:
        found, options = _resolved(command)
        known = " ".join(
            name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)
        )
        known += " --help -h --version"
    shown = [word.partition("=")[0] for word in options if word.startswith("--")]
    missing = [word for word in shown if not re.search(rf"(?<!\S){re.escape(word)}\b", known)]
    assert not missing, f"no {missing} in {shlex.join(command)}"
