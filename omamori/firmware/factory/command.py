"""`omamori-unit self-test --factory`: lines as they come, or all of them as JSON; exit code 1 where one failed."""

import json
from collections.abc import Collection
from dataclasses import asdict
from functools import partial

import click

from omamori.firmware.factory import bench, report
from omamori.firmware.factory.panel import Person
from omamori.firmware.host.paths import Paths


def test_hardware(
    paths: Paths, left_out: Collection[str], label: str | None, *, as_json: bool, interactive: bool
) -> None:
    """Raises click's Exit(1) where the unit must not be shipped."""
    if unknown := set(left_out) - set(bench.NAMES):
        raise click.UsageError(f"--without {', '.join(sorted(unknown))}: there are {', '.join(bench.NAMES)}")
    person = Person(partial(click.confirm, err=True), partial(click.echo, err=True)) if interactive else None
    lines = []
    for line in bench.run(paths, bench.Wishes(left_out, label, person)):
        lines.append(line)
        if not as_json:
            click.echo(str(line))
    passed = report.passed(lines)
    if as_json:
        click.echo(json.dumps({"passed": passed, "lines": [asdict(line) for line in lines]}, indent=2))
    else:
        click.echo(report.summary(lines))
    if not passed:
        raise click.exceptions.Exit(1)
