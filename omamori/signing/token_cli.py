"""`omamori sign token`: the public half of a key on a PKCS#11 token, and how other commands are told to use it."""

from pathlib import Path

import click
from securesystemslib.signer import Signer

from omamori.signing import tokens
from omamori.signing.errors import KeyFileError
from omamori.signing.policy import EVERY
from omamori.signing.repository import write_file

Given = dict[str, list[Signer]]
"""Role -> keys that are there already, in place of new key files."""


@click.command("token")
@click.option("--label", required=True, help="The token's label.")
@click.option(
    "--id", "number", type=click.IntRange(0), default=2, show_default=True, help="The key's id on it."
)
@click.option("--library", default="", help=f"The PKCS#11 module.  [default: ${tokens.LIBRARY}]")
@click.option(
    "--to", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The .token file to write."
)
def token(label: str, number: int, library: str, to: Path) -> None:
    """Write a .token file: it stands where a key file would, and holds no secret.

    The key is made on the token with its maker's tools (ECDSA on P-256 or P-384). The PIN comes from the file that
    OMAMORI_TOKEN_PIN_FILE names, or is asked for.
    """
    if to.suffix != tokens.SUFFIX:
        raise KeyFileError(f"{to}: the name must end in {tokens.SUFFIX}")
    found = tokens.find(label, number, library)
    write_file(to, found.to_bytes())
    print(f"{to}: key {found.key.keyid[:12]} ({found.key.scheme}) on token {label}")


def _given(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> Given:
    found: Given = {}
    for text in values:
        role, equals, file = text.partition("=")
        if role not in EVERY or not equals:
            raise click.BadParameter(f"ROLE=FILE, not {text!r}; roles are {', '.join(EVERY)}")
        found.setdefault(role, []).append(tokens.read(Path(file)))
    return found


option = click.option(
    "--token",
    "given",
    multiple=True,
    callback=_given,
    metavar="ROLE=FILE",
    help="A key on a PKCS#11 token (.token file) in place of a new key file; repeatable.",
)
