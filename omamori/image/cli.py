"""`omamori image`: build the sealed appliance image, and show what a finished one consists of."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from omamori.image import budgets, evidence, secureboot
from omamori.image import build as building
from omamori.image import recipe as recipes
from omamori.image.errors import ImageError
from omamori.image.flashing import flash_image
from omamori.image.layers import Release
from omamori.image.packages import Store
from omamori.image.progress import Lines
from omamori.image.rootfs import Sources
from omamori.image.stages import Cache
from omamori.image.state import State
from omamori.protocol.errors import VersionError
from omamori.protocol.version import Version


@click.group()
def group() -> None:
    """Build, inspect and boot the sealed appliance image."""


@group.command()
@click.option("--variant", default="test", show_default=True, help="Which recipe to build.")
@click.option(
    "--version",
    "version_text",
    default="1.0.0",
    show_default=True,
    help="Firmware version, as 1.2.3 or 1.2.3-rc.4.",
)
@click.option(
    "--break",
    "broken",
    metavar="HOW",
    help="Make deliberately broken firmware (blind, engine, panic), to show the way back.",
)
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TUF root metadata the unit will trust.",
)
@click.option(
    "--pack",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Signature pack the unit starts with.",
)
@click.option(
    "--locked",
    type=click.Path(exists=True, path_type=Path),
    metavar="IMAGE",
    help="Install exactly the Debian packages of an earlier image, with the tools it was made with: its directory. Of a packages.lock alone, the tools are the newest.",
)
@click.option(
    "--secure-boot-keys",
    "keys",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with db.key and db.crt that sign what firmware starts; else this machine's development keys.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the image's manifest as JSON.")
@click.option(
    "--dry-run", is_flag=True, help="Only say which stages there are and whether the recipe is in order."
)
def build(
    *,
    variant: str,
    version_text: str,
    broken: str | None,
    trust: Path | None,
    pack: Path | None,
    locked: Path | None,
    keys: Path | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Build an image: disk, update bundle, kernel and initrd, under $OMAMORI_STATE/images."""
    state = State.of(os.environ)
    try:
        release = _release(variant, version_text, broken, trust, pack, state)
        release = replace(release, secure_boot=keys and secureboot.checked(keys))
        if dry_run:
            click.echo(
                f"{variant} {release.version}: {release.recipe.description}; into {_place(state, release)}"
            )
            return
        if keys is None:
            release = replace(release, secure_boot=secureboot.development_keys(state.secure_boot))
        sources = Sources(Store(state.packages), *(building.locks(locked) if locked else ()))
        image = building.build(release, state, Cache(state.cache, Lines()), sources)
    except (ImageError, VersionError) as error:
        raise click.ClickException(str(error)) from error
    _show(image, as_json=as_json)


@group.command()
@click.option("--variant", default="test", show_default=True, help="Which recipe; see `variants`.")
@click.option("--version", "version_text", default="1.0.0", show_default=True, help="Of the firmware.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def show(*, variant: str, version_text: str, as_json: bool) -> None:
    """Show a finished image: files, sizes, budgets, packages."""
    try:
        image = building.Image.open(State.of(os.environ).image(variant, Version.parse(version_text)))
    except (ImageError, VersionError) as error:
        raise click.ClickException(str(error)) from error
    _show(image, as_json=as_json)


@group.command("variants")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_variants(*, as_json: bool) -> None:
    """List the recipes."""
    described = {name: recipes.load(name).description for name in recipes.variants()}
    if as_json:
        click.echo(
            json.dumps([{"variant": name, "description": text} for name, text in described.items()], indent=2)
        )
        return
    for name, text in described.items():
        click.echo(f"{name:<10} {text}")


for command in (evidence.verify, evidence.show_contents, evidence.show_vulnerabilities, flash_image):
    group.add_command(command)


def _release(
    variant: str, version_text: str, broken: str | None, trust: Path | None, pack: Path | None, state: State
) -> Release:
    recipe = recipes.load(variant)
    if broken is not None and broken not in recipe.broken:
        raise click.UsageError(f"--break {broken}: there are {', '.join(sorted(recipe.broken))}")
    version = Version.parse(version_text)
    secrets = building.development_keys(state) if "test" in recipe.templates else None
    return Release(recipe, version, broken, trust or building.trust_of(state), pack, secrets)


def _place(state: State, release: Release) -> Path:
    return state.image(release.recipe.variant, release.version, broken=release.broken)


def _show(image: building.Image, *, as_json: bool) -> None:
    measured = _measured(State.of(os.environ))
    if as_json:
        click.echo(json.dumps({"directory": str(image.directory), **image.report, "measured": measured}))
        return
    for name, value in image.report["figures"].items():
        limit = image.report["budgets"].get(name)
        click.echo(f"{name:<13} {value:>8g}" + (f"  (budget {limit:g})" if limit else ""))
    click.echo(f"disk    {image.disk}\nbundle  {image.bundle}")
    if measured is None:
        click.echo("memory and times of the running unit: not measured here yet; see ./inv figures")
        return
    click.echo(
        f"running unit, {measured['version']} of the test variant at {measured['time']}, in MiB and s:"
    )
    allowed = budgets.limits("running")
    for name, value in measured["figures"].items():
        limit = f"  (budget {allowed[name]:g})" if name in allowed else ""
        click.echo(f"  {name:<20} {value:>8g}{limit}")


def _measured(state: State) -> dict[str, Any] | None:
    """What `./inv figures` saw last on this machine."""
    try:
        found = json.loads(state.measured.read_text(encoding="utf-8"))
        return {
            "time": str(found["time"]),
            "version": str(found["version"]),
            "figures": dict(found["figures"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
