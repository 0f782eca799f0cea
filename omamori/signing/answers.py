"""What every command of `omamori sign` that writes has in common: `--dry-run`, `--json`, and how it says what it did."""

import json
from collections.abc import Callable
from typing import Any

import click

from omamori.protocol.wire import to_wire
from omamori.signing import operations


def changes(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that writes."""
    command = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")(
        command
    )
    return click.option("--dry-run", "dry", is_flag=True, help="Check and explain; write nothing.")(command)


def tell(done: operations.Done, *, as_json: bool) -> None:
    """One JSON object, or a line for people."""
    if as_json:
        print(json.dumps(to_wire(done)))
        return
    signed = ", ".join(f"{role} {version}" for role, version in done.roles.items())
    print(
        f"{'would be: ' if done.dry else ''}{done.what} {done.target}".rstrip()
        + (f" ({signed})" if signed else "")
    )
