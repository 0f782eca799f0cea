"""`omamori sign support`: the role, and the keys that open one unit to one helper for some hours."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from omamori.protocol.errors import ProtocolError
from omamori.protocol.ids import UnitId, unit_id
from omamori.protocol.support import SupportKey
from omamori.protocol.wire import to_wire
from omamori.signing import support as operations
from omamori.signing import token_cli
from omamori.signing.answers import changes, tell
from omamori.signing.errors import TargetError
from omamori.signing.repository import Repository

PUBLIC = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def support() -> None:
    """Sign keys that open a unit's shell to a helper: one unit, one SSH key, at most a day."""


@support.command()
@token_cli.option
@changes
@click.pass_obj
def enable(repository: Repository, given: token_cli.Given, *, dry: bool, as_json: bool) -> None:
    """Make the role `support` and its key, once; needs the targets' keys. Without it no unit is ever opened."""
    if given.keys() - {operations.ROLE}:
        raise click.BadParameter("only support=FILE", param_hint="--token")
    done = operations.enable(repository, _now(), dry=dry, given=tuple(given.get(operations.ROLE, ())))
    tell(done, as_json=as_json)
    if done.roles and not dry and not as_json:
        print(
            "take the key file support-*.pem away from this machine: it is needed only to sign a support key"
        )


@support.command()
@click.argument("unit")
@click.option("--key", required=True, type=PUBLIC, help="The helper's public SSH key (Ed25519, .pub).")
@click.option("--who", required=True, help="The helper, as the customer shall read it.")
@click.option("--why", required=True, help="What for, as the customer shall read it.")
@click.option(
    "--hours", type=click.FloatRange(0.1, 24), default=4.0, show_default=True, help="How long it is good."
)
@click.option(
    "--from", "since", metavar="TIME", help="ISO 8601 with a zone, at most a day ahead.  [default: now]"
)
@changes
@click.pass_obj
def add(
    repository: Repository,
    unit: str,
    key: Path,
    who: str,
    why: str,
    hours: float,
    since: str | None,
    *,
    dry: bool,
    as_json: bool,
) -> None:
    """Sign that the holder of a key may look at UNIT; publish it afterwards."""
    begin, end = operations.period(_now(), _moment(since) if since else None, hours)
    try:
        document = SupportKey(unit_id(unit), operations.read_key(key), begin, end, who, why)
    except ProtocolError as error:
        raise TargetError(str(error)) from error
    tell(operations.add(repository, document, _now(), dry=dry), as_json=as_json)


@support.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
@click.pass_obj
def list_command(repository: Repository, *, as_json: bool) -> None:
    """What is signed, for whom, until when."""
    found = operations.listed(repository, _now())
    if as_json:
        print(json.dumps([to_wire(each) for each in found]))
        return
    for each in found:
        print(
            f"{each.unit}  {each.since:%Y-%m-%d %H:%M} to {each.until:%Y-%m-%d %H:%M} UTC"
            f"{' (over)' if each.over else ''}  {each.who}: {each.why}"
        )


@support.command()
@click.argument("unit")
@changes
@click.pass_obj
def withdraw(repository: Repository, unit: str, *, dry: bool, as_json: bool) -> None:
    """End UNIT's support key before its time; publish it afterwards."""
    tell(operations.withdraw(repository, _unit(unit), _now(), dry=dry), as_json=as_json)


def _unit(text: str) -> UnitId:
    try:
        return unit_id(text)
    except ProtocolError as error:
        raise click.BadParameter(str(error), param_hint="UNIT") from error


def _moment(text: str) -> datetime:
    wrong = click.BadParameter(
        f"{text[:40]!r} is no time with a zone, like 2026-12-01T09:00+09:00", param_hint="--from"
    )
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise wrong from error
    raise wrong


def _now() -> datetime:
    return datetime.now(UTC)
