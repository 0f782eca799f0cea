"""`omamori fleet`: run and operate the fleet server, directly on its database.

A command's module is imported when it is called, and Django is set up before those that need the database, so
`omamori fleet --help` loads neither and any `--help` needs no fleet. What the fleet refuses becomes one line on stderr
and exit code 1.
"""

import contextlib
import importlib
import os
import sqlite3
from dataclasses import dataclass

import click

from omamori.fleet.errors import FleetError
from omamori.fleet.state import FleetConfigurationError, FleetState


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives."""

    module: str
    help: str
    database: bool = True
    """Needs an initialised fleet and Django."""


COMMANDS = {
    "init": Entry(
        "serving", "Make or bring up to date: database, secrets, authority, first operator.", database=False
    ),
    "serve": Entry("serving", "Run everything: broker, unit surface, portal, link worker.", database=False),
    "serve-units": Entry("serving", "Run the unit surface alone.", database=False),
    "serve-portal": Entry("serving", "Run portal and operators' API alone.", database=False),
    "broker": Entry("serving", "Run the embedded broker alone.", database=False),
    "link": Entry("serving", "Run the link worker alone.", database=False),
    "settings": Entry("serving", "Show every setting with its value.", database=False),
    "sites": Entry("people", "List and add sites with their customers and resellers."),
    "users": Entry("people", "List and add people who sign in."),
    "tokens": Entry("people", "List, add and remove keys of the operators' API."),
    "audit": Entry("people", "Show who changed what."),
    "units": Entry("units", "List, show, register, move units; renew claims."),
    "window": Entry("units", "Show and set a unit's reboot window."),
    "apply-now": Entry("units", "Let a staged firmware reboot a unit now."),
    "postpone": Entry("applying", "Put an update of a unit off, or end that."),
    "apply-when": Entry("applying", "Let a unit restart in its window, or when its power returns."),
    "fetching": Entry("applying", "Choose from where and how fast updates come to a unit."),
    "exceptions": Entry("policies", "List, add and end exceptions to what the guards stop."),
    "policy": Entry("policies", "Show and change what the guards of units do."),
    "detections": Entry("listings", "List and export detections."),
    "hosts": Entry("hosts", "List and describe hosts behind the units; declare which ought to be covered."),
    "attention": Entry("coverage", "List units that need the help desk, with the next step."),
    "coverage": Entry("coverage", "Show which hosts of a site are covered."),
    "usage": Entry("usage", "Show and export what hosts used, by application and category."),
    "wiring": Entry("listings", "List wiring diagnoses."),
    "log": Entry("listings", "List what units logged."),
    "daily": Entry("daily", "Do what is due once a day: count coverage, tell customers, drop what is old."),
    "notices": Entry("daily", "Show messages to customers about their hosts; say who gets them."),
    "prune": Entry("listings", "Drop what is older than three months."),
    "openapi": Entry("listings", "Print the description of the operators' API."),
    "support": Entry("support", "Let a helper with a signed support key look at a unit."),
    "support-relay": Entry("support", "Run the relay where helpers meet units alone."),
    "releases": Entry("rollouts", "List and add releases of the TUF repository."),
    "rollouts": Entry("rollouts", "Create, list, show and advance rollouts; set security deadlines."),
}


class FleetGroup(click.Group):
    """The table above as a click group."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if entry.database:
            set_up()
        module = importlib.import_module(f"omamori.fleet.commands.{entry.module}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)  # noqa: S101 - the table names commands
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        entry = COMMANDS.get(args[0])
        if entry and entry.database and not set(args) & set(ctx.help_option_names):
            _need_fleet()
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (FleetError, FleetConfigurationError, ChildProcessError) as error:
            raise click.ClickException(str(error)) from error


def _need_fleet() -> None:
    """Raises ClickException, FleetConfigurationError."""
    state = FleetState.from_environment()
    database = str(state.settings()["database"] or state.database)
    if not (state.secret("django") and _has_tables(database)):
        raise click.ClickException(f"no fleet in {state.root}: run `omamori fleet init` first")


def _has_tables(database: str) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except sqlite3.Error:
        return False
    return True


def set_up() -> None:
    """Django, on the state directory the environment names."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omamori.fleet.settings")
    django.setup()


@click.group(cls=FleetGroup, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Run and operate the fleet server.

    State lives in $OMAMORI_STATE/fleet (default ~/.local/state/omamori/fleet).
    """
