"""`daily`: what the fleet does once a day, and may be asked to do more often."""

from datetime import UTC, datetime

import click

from omamori.fleet.commands.output import json_option, show_one
from omamori.fleet.ingest.operations import prune
from omamori.fleet.lan import history


@click.command()
@json_option
def daily(*, as_json: bool) -> None:
    """Count every site's coverage, and drop what is older than three months; run it once an hour or more."""
    now = datetime.now(UTC)
    done = {"sites_counted": history.snapshot(now=now)}
    show_one(done | {f"dropped_{name}": count for name, count in prune(now=now).items()}, as_json=as_json)
