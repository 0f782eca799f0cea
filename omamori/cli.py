"""`omamori`: the command line of engineers and operators.

Each room brings its own click group in `omamori/<room>/cli.py`; a group is imported only when it is called, so
`omamori engine replay` never loads Django. Every listing has `--json`; errors go to stderr and say what to do next.
"""

import importlib
import sys

import click

GROUPS = {
    "engine": (
        "omamori.firmware.signatures.cli",
        "Check rules and replay captures through the inspection engine.",
    ),
    "image": ("omamori.image.cli", "Build, inspect and boot the sealed appliance image."),
    "sign": ("omamori.signing.cli", "Sign and publish firmware and signature packs (TUF)."),
    "fleet": ("omamori.fleet.cli", "Run and operate the fleet server."),
}


class Rooms(click.Group):
    """A group whose subcommands live in the rooms and load when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in GROUPS:
            return None
        command = importlib.import_module(GROUPS[cmd_name][0]).group
        assert isinstance(command, click.Command)  # noqa: S101 - each room exports its group under this name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, GROUPS[name][1]) for name in sorted(GROUPS)])


@click.group(cls=Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="omamori")
def omamori() -> None:
    """Omamori: build, sign, operate and measure the guard box for small companies."""


def main() -> None:
    """The console script: exit codes are 0 done, 1 refused or failed, 2 wrong usage; a command may have others."""
    try:
        # Of `Context.exit` click tells the code here, and raises nothing.
        told = omamori.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        print("omamori: interrupted", file=sys.stderr)
        sys.exit(130)
    if isinstance(told, int):
        sys.exit(told)
