"""What a finished image can show about itself: `omamori image verify`, `sbom`, `vulnerabilities`."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from omamori.image import sbom, vulnerabilities
from omamori.image import verify as verifying
from omamori.image.build import Image
from omamori.image.errors import ImageError
from omamori.image.progress import Lines
from omamori.image.state import State
from omamori.protocol.errors import VersionError
from omamori.protocol.version import Version

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--variant", default="test", show_default=True, help="Which recipe; see `variants`.")
@click.option("--version", "version_text", default="1.0.0", show_default=True, help="Of the firmware.")
@click.option(
    "--against", type=_FOLDER, help="The finished image's directory, in place of variant and version."
)
@click.option("--rebuilt", type=_FOLDER, help="A second build made elsewhere, instead of building one now.")
@click.option(
    "--secure-boot-keys",
    "keys",
    type=_FOLDER,
    help="`db.key` and `db.crt` that it was signed with.  [default: this machine's]",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def verify(
    *,
    variant: str,
    version_text: str,
    against: Path | None,
    rebuilt: Path | None,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Build an image again from the inputs it names and compare bit for bit; exit 1 and explain where it differs.

    Exit 3: all that is signed is the same, and the keys to sign it again are not here.
    """
    try:
        state = State.of(os.environ)
        image = opened(state, variant, version_text, against)
        if rebuilt:
            outcome = verifying.verify(image, Image.open(rebuilt))
        else:
            with verifying.rebuilt(image, state, Lines(), keys) as again:
                outcome = verifying.verify(image, again)
    except (ImageError, VersionError) as error:
        raise click.ClickException(str(error)) from error
    _show(image, outcome, as_json=as_json)
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)


@click.command("sbom")
@click.option("--variant", default="test", show_default=True, help="Which recipe; see `variants`.")
@click.option("--version", "version_text", default="1.0.0", show_default=True, help="Of the firmware.")
@click.option("--json", "as_json", is_flag=True, help="The CycloneDX document itself.")
def show_contents(*, variant: str, version_text: str, as_json: bool) -> None:
    """Show what is inside an image: packages, versions, licences (CycloneDX 1.6)."""
    try:
        path = opened(State.of(os.environ), variant, version_text, None).directory / sbom.NAME
        table = sbom.read(path)
    except (ImageError, VersionError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(path.read_text(), nl=False)
        return
    for entry in table["components"]:
        names = [
            choice["license"].get("id") or choice["license"]["name"] for choice in entry.get("licenses", [])
        ]
        click.echo(f"{entry['name']:<32} {entry['version']:<28} {', '.join(names) or 'see ' + sbom.LICENCES}")


@click.command("vulnerabilities")
@click.option("--variant", default="test", show_default=True, help="Which recipe; see `variants`.")
@click.option("--version", "version_text", default="1.0.0", show_default=True, help="Of the firmware.")
@click.option("--sbom", "file", type=_FILE, help="A list of contents, in place of a finished image's.")
@click.option(
    "--tracker", required=True, metavar="FILE|URL", help="The Debian security tracker's data (JSON)."
)
@click.option(
    "--suite", default="trixie", show_default=True, help="Debian's release, as the tracker names it."
)
@click.option("--check", is_flag=True, help="Exit 1 when a fix waits that the image lacks.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def show_vulnerabilities(
    *,
    variant: str,
    version_text: str,
    file: Path | None,
    tracker: str,
    suite: str,
    check: bool,
    as_json: bool,
) -> None:
    """Show known vulnerabilities of an image's Debian packages, and which version mends each."""
    try:
        path = file or opened(State.of(os.environ), variant, version_text, None).directory / sbom.NAME
        found = vulnerabilities.find(sbom.sources(path), vulnerabilities.load(tracker), suite)
    except (ImageError, VersionError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps([{**asdict(one), "status": one.status.value} for one in found]))
    for one in () if as_json else found:
        mended = f"fixed in {one.fixed_in}" if one.fixed_in else one.status.value
        click.echo(
            f"{one.cve:<17} {one.source} {one.installed}: {mended} ({one.urgency})  {', '.join(one.packages)}"
        )
    if check and any(one.status is vulnerabilities.Status.FIXED for one in found):
        raise SystemExit(1)


def opened(state: State, variant: str, version_text: str, directory: Path | None) -> Image:
    """The image an engineer means. Raises ImageError, VersionError."""
    return Image.open(directory or state.image(variant, Version.parse(version_text)))


def _show(image: Image, outcome: verifying.Outcome, *, as_json: bool) -> None:
    if as_json:
        differences = [asdict(one) for one in outcome.differences]
        said = {
            "directory": str(image.directory),
            "same": outcome.same,
            "only_signatures": outcome.only_signatures,
            "artifacts": outcome.artifacts,
            "differences": differences,
            "hints": outcome.hints,
        }
        click.echo(json.dumps(said))
        return
    for hint in outcome.hints:
        click.echo(hint)
    for difference in outcome.differences:
        click.echo(str(difference))
    for name, digest in outcome.artifacts.items() if outcome.same else ():
        click.echo(f"{name:<24} {digest}")
    if outcome.only_signatures:
        click.echo("NOT the same: what is signed is the same, the signatures need the keys")
    else:
        click.echo("the same, bit for bit" if outcome.same else "NOT the same")
