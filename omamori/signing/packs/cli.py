"""`omamori sign pack`: from feeds to a signed pack, and from few units to all. Prints, or with `--json` one object."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version
from omamori.protocol.wire import to_wire
from omamori.signing.operations import Done
from omamori.signing.packs import building, channels, description
from omamori.signing.repository import Repository

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SHOWN = 20


def version_of(text: str) -> Version:
    """Exit code 2 for what is none."""
    try:
        return Version.parse(text)
    except ProtocolError as error:
        raise click.BadParameter(str(error)) from error


def _changes(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that writes."""
    command = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")(
        command
    )
    return click.option("--dry-run", "dry", is_flag=True, help="Check and explain; sign nothing.")(command)


_ca = click.option(
    "--ca", type=_FILE, help="PEM certificates to believe for https, in place of the system's."
)


@click.group("pack")
def group() -> None:
    """Build signature packs from feeds, try them on few units, give them to all, take them back."""


@group.command()
@click.argument("file", metavar="DESCRIPTION", type=_FILE)
@click.option(
    "--version", type=version_of, metavar="VERSION", help="The pack's version.  [default: by the date]"
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Put a copy of the pack here."
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Build although no feed changed, or a pack of the same feeds was withdrawn.",
)
@_ca
@_changes
@click.pass_obj
def build(
    repository: Repository,
    file: Path,
    version: Version | None,
    output: Path | None,
    ca: Path | None,
    *,
    anyway: bool,
    dry: bool,
    as_json: bool,
) -> None:
    """Fetch the feeds of DESCRIPTION (TOML), compile them, and sign the pack as a canary if it passes every gate.

    A dry run fetches and judges, too; it signs nothing and leaves no report.
    """
    made = building.Pipeline(repository, _now(), _progress).build(
        description.read(file), building.Wishes(version, output, anyway=anyway, dry=dry, ca=ca)
    )
    if as_json:
        print(json.dumps(to_wire(asdict(made))))
        return
    for line in _lines(made):
        print(line)


@group.command()
@click.argument("file", metavar="DESCRIPTION", type=_FILE)
@_ca
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
@click.pass_obj
def fetch(repository: Repository, file: Path, ca: Path | None, *, as_json: bool) -> None:
    """Fetch and prove the feeds of DESCRIPTION and keep what is good; build nothing."""
    wishes = building.Wishes(ca=ca)
    found = building.Pipeline(repository, _now(), _progress).fetch(description.read(file), wishes)
    if as_json:
        print(json.dumps([to_wire(each) for each in found]))
        return
    for each in found:
        print(f"{each.feed}: {each.state}, {each.before:,} -> {each.lines:,} lines")


@group.command()
@click.argument("version", type=version_of, metavar="VERSION")
@click.option("--by", "rules", type=_FILE, metavar="DESCRIPTION", help="Its [channels] say what is wanted.")
@click.option(
    "--evidence",
    multiple=True,
    type=_FILE,
    help="JSON of `omamori fleet rollouts show N --json` or `list --json`; repeatable.",
)
@_changes
@click.pass_obj
def promote(
    repository: Repository,
    version: Version,
    rules: Path | None,
    evidence: tuple[Path, ...],
    *,
    dry: bool,
    as_json: bool,
) -> None:
    """Make a canary stable, once it was out for long enough on enough units that took it."""
    wanted = description.read(rules).channels if rules else description.Channels()
    seen = channels.evidence(evidence, version)
    _tell(channels.promote(repository, version, seen, wanted, _now(), dry=dry), as_json=as_json)


@group.command()
@click.argument("version", type=version_of, metavar="VERSION")
@click.option("--reason", required=True, help="For operators and units.")
@_changes
@click.pass_obj
def withdraw(repository: Repository, version: Version, reason: str, *, dry: bool, as_json: bool) -> None:
    """Take a pack back: units refuse it once that is published. Roll an older one out to those that have it."""
    _tell(channels.withdraw(repository, version, reason, _now(), dry=dry), as_json=as_json)


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
@click.pass_obj
def list_packs(repository: Repository, *, as_json: bool) -> None:
    """Signed packs with their channel, newest first."""
    found = channels.standings(repository)
    if as_json:
        print(json.dumps([to_wire(each) for each in found]))
        return
    for each in found:
        since = f"{each.since:%Y-%m-%d %H:%M}" if each.since else "-"
        print(f"{each.version!s:<16}{each.channel:<11}{since:<18}{each.reason}".rstrip())


def _lines(made: building.Report) -> list[str]:
    if made.outcome == "unchanged":
        return [f"no feed changed since {made.version}: nothing to build (--anyway builds)"]
    rules = made.loading["rules"]
    found = [f"{each.feed}: {each.state}, {each.before:,} -> {each.lines:,} lines" for each in made.feeds]
    found += _changed(made.difference) if made.difference else ["the first pack"]
    found.append(f"{rules['loaded']} of {rules['rules']} rules load; {made.size:,} bytes")
    verb = "would be signed" if made.outcome == "dry run" else "signed"
    return [*found, f"{made.version} {verb} as canary, sha256 {made.sha256}"]


def _changed(difference: dict[str, Any]) -> list[str]:
    found = [f"since {difference['before']}:"]
    for sign, kind in (("+", "added"), ("-", "removed"), ("~", "changed")):
        rules = difference[kind]
        found += [f"{sign} {each['rule']} {each['message']}" for each in rules[:_SHOWN]]
        found += [f"{sign} and {len(rules) - _SHOWN} more"] if len(rules) > _SHOWN else []
    found += [f"{name}: {before} -> {now}" for name, (before, now) in difference["sizes"].items()]
    return found


def _tell(done: Done, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(to_wire(done)))
    else:
        print(f"{'would be: ' if done.dry else ''}{done.what}: {done.target}; publish to put it in force")


def _progress(text: str) -> None:
    click.echo(text, err=True)


def _now() -> datetime:
    return datetime.now(UTC)
