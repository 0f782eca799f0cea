"""What every command of ours has: help that says what it does, and JSON wherever it lists something."""

from collections.abc import Iterator

import click
import pytest

from omamori.cli import omamori
from omamori.firmware.cli import unit

LISTINGS = {"list", "show", "status", "variants", "settings", "audit", "packs"}


def _leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _leaves(inner, (*path, name))


COMMANDS = dict([*_leaves(omamori, ("omamori",)), *_leaves(unit, ("omamori-unit",))])


@pytest.mark.parametrize("name", COMMANDS)
def test_command_and_each_option_say_what_they_do(name):
    command = COMMANDS[name]
    assert command.get_short_help_str(), name
    bare = [p.opts for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not bare, f"{name}: no help for {bare}"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.split()[-1] in LISTINGS])
def test_every_listing_has_json(name):
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params), name
