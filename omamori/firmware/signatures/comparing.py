"""`omamori engine pack judge` and `compare`: a pack against traffic, and against the pack before it."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.signatures import difference, judging
from omamori.firmware.signatures.capture import CaptureError
from omamori.firmware.signatures.carried import MOST_BYTES, Capture
from omamori.firmware.signatures.container import PackError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_REFUSALS = (OSError, PackError, CaptureError, SignatureError)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--against", type=_FILE, help="The pack before, for the speed: replays of both in turns.")
@click.option("--clean", multiple=True, type=_FILE, help="A capture in which nothing may be found.")
@click.option(
    "--must",
    multiple=True,
    metavar="FILE[=ID,ID]",
    help="A capture in which these signatures (or anything) must be found, e.g. a.pcap=1:2008.",
)
@click.option("--everyday", is_flag=True, help="Generated everyday traffic as clean captures, too.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def judge(
    file: Path,
    against: Path | None,
    clean: tuple[Path, ...],
    must: tuple[str, ...],
    *,
    everyday: bool,
    as_json: bool,
) -> None:
    """Replay captures through a pack and tell what is found, what is missing, how fast, and (JSON) what changed."""
    try:
        wanted = [judging.Wanted(*named(text)) for text in must]
        found = judging.judge(file, against, clean, wanted, generated=everyday, progress=_tell)
        changed = difference.compare(against, file) if against else None
    except _REFUSALS as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        told = asdict(found) | {"difference": asdict(changed) if changed else None}
        click.echo(json.dumps(told, indent=2))
        return
    for each in found.clean:
        click.echo(f"clean {each.capture}: {each.packets} packets, {_told(each.found) or 'nothing found'}")
    for each in found.must:
        missing = f"; missing: {', '.join(each.missing)}" if each.missing else ""
        click.echo(f"must  {each.capture}: {each.packets} packets, {_told(each.found)}{missing}")
    beside = f", {found.slowdown} times that of {found.against}" if found.slowdown else ""
    click.echo(f"{found.seconds} s for one replay of all{beside}")


@click.command()
@click.argument("before", type=_FILE)
@click.argument("now", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def compare(before: Path, now: Path, *, as_json: bool) -> None:
    """Tell what changed from one pack to the next: rules by number, lists by size."""
    try:
        found = difference.compare(before, now)
    except _REFUSALS as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(asdict(found), indent=2) if as_json else "\n".join(difference.lines(found)))


def _tell(text: str) -> None:
    click.echo(text, err=True)


def named(text: str) -> tuple[Path, tuple[str, ...]]:
    """From FILE[=ID,ID]. Raises OSError where there is no such file."""
    file, _, signatures = text.partition("=")
    path = Path(file)
    path.stat()
    return path, tuple(each for each in signatures.split(",") if each)


def carried_capture(text: str, *, matches: bool) -> Capture:
    """From FILE[=ID,ID], for a pack. Raises OSError, PackError."""
    path, signatures = named(text)
    if path.stat().st_size > MOST_BYTES:
        raise PackError(f"{path}: a pack carries {MOST_BYTES} bytes of captures at most")
    return Capture(path.stem, path.read_bytes(), matches, signatures)


def _told(found: tuple[judging.Found, ...]) -> str:
    return ", ".join(f"{each.signature_id} {each.count} times" for each in found)
