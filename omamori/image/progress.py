"""Progress of a build as lines on stderr, as an engineer sees it."""

import sys
import time

import click


class Lines:
    """Progress as lines on stderr: elapsed time, stage, and whether anything had to be made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def started(self, name: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{self._elapsed()}  {name} ...", err=True, nl=False)

    def ended(self, name: str, seconds: float, *, reused: bool) -> None:
        start = "\r" if sys.stderr.isatty() else ""
        done = "reused" if reused else f"made in {seconds:.1f} s"
        click.echo(f"{start}{self._elapsed()}  {name:<9} {done}", err=True)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:7.1f} s"
