"""`omamori image flash`: an image onto a disk or USB stick, as a person does it: look, confirm by name, write, compare, go on."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from omamori.image import flash
from omamori.image.build import Image
from omamori.image.errors import ImageError, TargetRefused
from omamori.image.evidence import opened
from omamori.image.programs import run
from omamori.image.state import State
from omamori.image.target import Target, examine, refusals
from omamori.protocol.errors import ProtocolError, VersionError
from omamori.protocol.messages import Claim, decode, encode

_CLAIM_CAP: Final = 64 * 1024
_NEXT: Final = """next: put it into the unit; the first start makes the data partition in the rest of it
      connect wan0 and lan0 with one cable and run the factory's test: omamori-unit self-test --factory"""
_NO_CLAIM: Final = """
      it has no claim and cannot be activated: omamori fleet units register ID > claim.json, and write it again with --claim claim.json"""

_LEFT: Final = """, but for its boot partition
      a claim or an order was left on the boot partition, which was not compared"""


@click.command("flash")
@click.argument("device", type=click.Path(path_type=Path))
@click.option("--variant", default="product", show_default=True, help="Which recipe; see `variants`.")
@click.option("--version", "version_text", default="1.0.0", show_default=True, help="Of the firmware.")
@click.option(
    "--image",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The finished image's directory, in place of variant and version.",
)
@click.option("--yes", is_flag=True, help="Do not ask for the device's name.")
@click.option(
    "--erase", is_flag=True, help="Also overwrite the rest of the disk with zeros: a used one's data."
)
@click.option(
    "--self-test",
    "order",
    is_flag=True,
    help="The unit runs the factory's test at its starts until it passed.",
)
@click.option(
    "--without", "left_out", multiple=True, metavar="CHECK", help="With --self-test: leave this out."
)
@click.option(
    "--claim",
    "claim_file",
    type=click.File("rb"),
    help="What the unit is activated with: `omamori fleet units register`.",
)
@click.option("--check", is_flag=True, help="Write nothing: compare a disk that nothing started from yet.")
@click.option("--dry-run", is_flag=True, help="Only say what would be written where, and whether it may be.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def flash_image(
    *,
    device: Path,
    variant: str,
    version_text: str,
    folder: Path | None,
    yes: bool,
    erase: bool,
    order: bool,
    left_out: tuple[str, ...],
    claim_file: BinaryIO | None,
    check: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write an image to a whole disk or USB stick, read it back and compare. Needs root.

    Everything on DEVICE is lost. One that is mounted, in use, write-protected or too small is refused, whatever is asked.
    """
    if left_out and not (order and all(name.isalpha() for name in left_out)):
        raise click.UsageError("--without names one check of --self-test")
    if check and (order or claim_file):
        raise click.UsageError("--check compares the image alone: leave out --claim and --self-test")
    words = " ".join(f"--without {name}" for name in left_out)
    left = {"self-test": f"{words}\n".encode()} if order else {}
    claim = _claim(claim_file) if claim_file else None
    if claim:
        left["claim"] = encode(claim)
    try:
        image = opened(State.of(os.environ), variant, version_text, folder)
        plan = _plan(image, device)
        _say(plan, as_json=as_json, dry_run=dry_run)
        if dry_run:
            return
        if not (yes or check):
            _confirm(plan.target)
        report = _compare(plan) if check else _write(plan, erase=erase, left=left)
    except (ImageError, VersionError) as error:
        raise click.ClickException(str(error)) from error
    if claim:
        report["claim"] = claim.unit
    click.echo(json.dumps({**_facts(plan), **report}) if as_json else _told(plan, report))


def _claim(file: BinaryIO) -> Claim:
    """Raises UsageError."""
    try:
        return decode(Claim, file.read(_CLAIM_CAP))
    except ProtocolError as error:
        raise click.UsageError(f"--claim: this is no claim: {error}") from error


class _Plan:
    """What goes where; made only where it may."""

    def __init__(self, image: Image, layout: flash.Layout, target: Target) -> None:
        self.image, self.layout, self.target = image, layout, target


def _plan(image: Image, device: Path) -> _Plan:
    """Raises TargetRefused with every reason there is."""
    layout = flash.layout(image.disk)
    target = examine(device)
    if reasons := list(refusals(target, layout.size)):
        raise TargetRefused(f"{device} ({target.describe()}): {'; '.join(reasons)}")
    run(["sfdisk", "--version"])
    with flash.lent(target, writing=False):
        return _Plan(image, layout, target)


def _say(plan: _Plan, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        if dry_run:
            click.echo(json.dumps(_facts(plan)))
        return
    report, target = plan.image.report, plan.target
    click.echo(
        f"image   {report['variant']} {report['version']}, {plan.layout.length / 1e9:.1f} GB", err=True
    )
    if report["variant"] != "product" or report["broken"]:
        click.echo("        for engineers only: never for a customer", err=True)
    click.echo(f"device  {target.name}: {target.describe()}", err=True)
    for part in target.parts:
        click.echo(f"        has {part.name} {part.label or '-'}, {part.size / 1e9:.1f} GB", err=True)


def _confirm(target: Target) -> None:
    """By the name, because a wrong number costs somebody a disk."""
    question = f"All of it will be lost. Type {target.name} to go on"
    try:
        typed = click.prompt(question, default="", show_default=False, err=True).strip()
    except click.Abort:
        typed = ""
    if typed != target.name:
        raise TargetRefused("not confirmed: nothing was written (--yes where nobody can be asked)")


def _write(plan: _Plan, *, erase: bool, left: Mapping[str, bytes]) -> dict[str, Any]:
    layout, target = plan.layout, plan.target
    rest = target.size - layout.end if erase else 0
    began = time.monotonic()
    with (
        flash.lent(target, writing=True) as disk,
        _bar(2 * layout.length + rest, "writing and comparing") as bar,
    ):
        found = flash.write(layout, target, disk, bar.update, erase=erase)
        if left:
            flash.leave(layout, target, left)
            os.fsync(disk)
    return {
        "done": "written",
        "erased": erase,
        "sha256": found,
        "seconds": round(time.monotonic() - began, 1),
    }


def _compare(plan: _Plan) -> dict[str, Any]:
    began = time.monotonic()
    with (
        flash.lent(plan.target, writing=False) as disk,
        _bar(2 * plan.layout.length, "comparing") as bar,
    ):
        found, not_compared = flash.check(plan.layout, plan.target, disk, bar.update)
    return {
        "done": "compared",
        "sha256": found,
        "not_compared": not_compared,
        "seconds": round(time.monotonic() - began, 1),
    }


def _bar(length: int, label: str) -> Any:  # noqa: ANN401 - click's class is not public
    return click.progressbar(length=length, label=label, file=sys.stderr)


def _facts(plan: _Plan) -> dict[str, Any]:
    report, target = plan.image.report, plan.target
    return {
        "image": str(plan.image.disk),
        "variant": report["variant"],
        "version": report["version"],
        "bytes": plan.layout.length,
        "device": {
            "path": str(target.path),
            "name": target.name,
            "size": target.size,
            "model": target.model,
            "serial": target.serial,
            "removable": target.removable,
            "partitions": [asdict(part) for part in target.parts],
        },
    }


def _told(plan: _Plan, report: dict[str, Any]) -> str:
    head = f"{report['done']} in {report['seconds']:g} s, sha256 {report['sha256']}: {plan.target.path} holds the image"
    if report["done"] == "compared":
        return head + (_LEFT if report["not_compared"] else "")
    claimed = f"\n      it is {report['claim']}" if "claim" in report else _NO_CLAIM
    return f"{head}\n{_NEXT}{claimed}"
