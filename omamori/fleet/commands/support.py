"""`support`: let a helper look at a unit, end that, and get there; `support-relay` is where the two meet."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from django.db import DatabaseError, connection

from omamori.fleet.accounts.actor import System
from omamori.fleet.broker.authority import open_authority
from omamori.fleet.commands.output import json_option, show, show_one
from omamori.fleet.errors import Conflict, Invalid
from omamori.fleet.state import FleetState
from omamori.fleet.support import operations, queries
from omamori.fleet.support.relay import LINE_CAP, Calls, Relay
from omamori.fleet.surfaces import addresses
from omamori.fleet.units import queries as units

CLI = System("command line")
USER = "omamori-support"
"""The unit's one account with a shell."""


@click.group()
def support() -> None:
    """Let a helper with a signed support key look at a unit."""


@support.command("open")
@click.argument("unit")
@json_option
def open_command(unit: str, *, as_json: bool) -> None:
    """Ask UNIT to look for its published support key; it opens for that key's holder, until it is over."""
    state = FleetState.from_environment()
    repository = addresses.repository(state.settings(), state)
    made = operations.ask(CLI, unit, repository, now=datetime.now(UTC))
    row = {"unit": unit, "call": made.call, "who": made.who, "why": made.why, "until": made.until}
    show_one(row, as_json=as_json)


@support.command()
@click.argument("unit")
def close(unit: str) -> None:
    """End it before its time: the unit closes and drops who is there."""
    operations.end(CLI, unit, now=datetime.now(UTC))
    print(f"{unit} is told to close")


@support.command()
@click.argument("unit")
@click.option("--end", "ended", is_flag=True, help="The customer allows it again.")
def refuse(unit: str, *, ended: bool) -> None:
    """The customer of UNIT wants nobody on it; customers say so themselves in the portal."""
    if ended:
        operations.allow(CLI, unit)
    else:
        operations.refuse(CLI, unit, now=datetime.now(UTC))
    print(f"{unit}: support is {'allowed' if ended else 'refused'}")


@support.command("list")
@click.argument("unit")
@json_option
def list_command(unit: str, *, as_json: bool) -> None:
    """Who was on UNIT, from when until when, and why; and why it opened nothing: as the unit itself said."""
    rows = [
        {
            "opened": visit.opened,
            "closed": visit.closed,
            "until": visit.until,
            "sessions": visit.entered,
            "who": visit.who,
            "why": visit.why,
            "reason": visit.reason,
        }
        for visit in queries.of_unit(CLI, unit)
    ]
    blank = dict.fromkeys(("opened", "until", "sessions", "who", "why"))
    rows += [
        {**blank, "closed": event.time, "reason": f"refused: {event.reason}"}
        for event in queries.kept_shut(CLI, unit)
    ]
    show(rows, as_json=as_json, empty=f"nobody was on {unit}")


@support.command()
@click.argument("unit")
def pipe(unit: str) -> None:
    """Connect standard input and output with UNIT's SSH server, for `ssh -o ProxyCommand=...`."""
    key = units.unit(CLI, unit).pk
    with _relayed(key) as stream:
        _pump(stream)


@support.command("known-hosts")
@click.argument("unit")
def known_hosts(unit: str) -> None:
    """Print UNIT's SSH host key as a known_hosts line; it made one for this opening alone."""
    print(f"{unit} {_host_key(unit)}")


@support.command()
@click.argument("unit")
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The helper's private SSH key.",
)
@click.argument("command", nargs=-1)
def connect(unit: str, key: Path, command: tuple[str, ...]) -> None:
    """A shell on UNIT, or one COMMAND, with the `ssh` of this machine. Ends with its exit code."""
    line = f"{unit} {_host_key(unit)}\n"
    with tempfile.NamedTemporaryFile("w", prefix="omamori-host-") as known:
        known.write(line)
        known.flush()
        options = {
            "ProxyCommand": f"{sys.executable} -m omamori.fleet support pipe {unit}",
            "UserKnownHostsFile": known.name,
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": unit,
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "ForwardAgent": "no",
            "ClearAllForwardings": "yes",
            "PreferredAuthentications": "publickey",
        }
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        done = subprocess.run(
            ["ssh", "-F", "none", *given, "-i", str(key), f"{USER}@{unit}", *command], check=False
        )
    sys.exit(done.returncode)


@click.command("support-relay")
def support_relay() -> None:
    """Run the relay alone, until SIGTERM or Ctrl-C."""
    state = FleetState.from_environment()
    settings = state.settings()
    if addresses.relay(settings) is None:
        raise Invalid("support_bind is not set: this fleet has no relay")
    bind = addresses.parse(str(settings["support_bind"]))
    place = _socket(state)
    try:
        asyncio.run(
            _until_told(Relay(Calls(_proven, _live)).serve(bind.host, bind.port, _context(state), place))
        )
    finally:
        place.unlink(missing_ok=True)


async def _until_told(serving: Coroutine[None, None, None]) -> None:
    """SIGTERM and Ctrl-C end it."""
    task = asyncio.ensure_future(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _context(state: FleetState) -> ssl.SSLContext:
    """The server's certificate, as the unit surface has it."""
    names = addresses.server_names(state.settings())
    now = datetime.now(UTC)
    pair = open_authority(state.authority, now=now).server(state.root / "tls", names, now=now)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(pair.certificate, pair.key)
    return made


def _proven(unit: str, ticket: str) -> bool:
    with _asked():
        return queries.proven(unit, ticket, datetime.now(UTC))


def _live(unit: str) -> str:
    with _asked():
        found = queries.live(unit, datetime.now(UTC))
        return found.call if found else ""


@contextlib.contextmanager
def _asked() -> Iterator[None]:
    """A database that fails now is an OSError for the relay, and is asked anew over a fresh connection."""
    try:
        yield
    except DatabaseError as error:
        connection.close()
        raise OSError(f"the database: {error}") from error


def _host_key(unit: str) -> str:
    """Raises NotFound, Conflict."""
    found = queries.live(units.unit(CLI, unit).pk, datetime.now(UTC))
    if found is None:
        raise Conflict(f"nobody is asked onto {unit}: `omamori fleet support open {unit}` first")
    return queries.host_key(found)


def _socket(state: FleetState) -> Path:
    return state.root / "support.sock"


@contextlib.contextmanager
def _relayed(unit: str) -> Iterator[socket.socket]:
    """Raises Conflict where the unit does not wait there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        try:
            stream.connect(str(_socket(FleetState.from_environment())))
        except OSError as error:
            raise Conflict(f"the relay does not run: {error.strerror}") from error
        stream.sendall(f'{{"unit": "{unit}"}}\n'.encode())
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < LINE_CAP and (byte := stream.recv(1)):
            answer += byte
        if answer != b"go\n":
            raise Conflict(f"{unit} does not wait at the relay: see `omamori fleet support list {unit}`")
        yield stream


def _pump(stream: socket.socket) -> None:
    """Standard input there, what comes from there to standard output, until that ends."""

    def send() -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(0, 65536):
                stream.sendall(piece)
            stream.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    with contextlib.suppress(OSError):
        while piece := stream.recv(65536):
            view = memoryview(piece)
            while view:
                view = view[os.write(1, view) :]
