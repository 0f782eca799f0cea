"""`omamori sign`: the release engineer's commands over `operations`. Prints, or with `--json` one object; never asks."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version
from omamori.protocol.wire import to_wire
from omamori.signing import audit, ceremony, downgrade, notes, operations, rotation, support_cli, token_cli
from omamori.signing.answers import changes, tell
from omamori.signing.errors import SigningError, TargetError
from omamori.signing.packs.cli import group as pack_group
from omamori.signing.policy import EVERY, POLICIES, TOP
from omamori.signing.promise import check_promise
from omamori.signing.repository import Repository

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Commands(click.Group):
    """Turns a refusal into an error message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except (SigningError, OSError) as error:
            raise click.ClickException(str(error)) from error


def default_place() -> Path:
    """`$OMAMORI_STATE/tuf`."""
    state = os.environ.get("OMAMORI_STATE") or Path.home() / ".local/state/omamori"
    return Path(state) / "tuf"


@click.group(cls=Commands)
@click.option(
    "--dir",
    "place",
    type=click.Path(file_okay=False, path_type=Path),
    help="The repository, outside any checkout.  [default: $OMAMORI_STATE/tuf]",
)
@click.pass_context
def group(ctx: click.Context, place: Path | None) -> None:
    """Sign and publish firmware and signature packs (TUF)."""
    ctx.obj = Repository(place or default_place())


group.add_command(pack_group)
group.add_command(token_cli.token)
group.add_command(support_cli.support)

_replace = click.option(
    "--replace", is_flag=True, help="Development: sign other content under a published version."
)


@group.command()
@click.option(
    "--policy",
    type=click.Choice(sorted(POLICIES)),
    default="development",
    show_default=True,
    help="How many keys each role needs.",
)
@token_cli.option
@changes
@click.pass_obj
def init(repository: Repository, policy: str, given: token_cli.Given, *, dry: bool, as_json: bool) -> None:
    """Make keys, the root of trust and an empty repository."""
    done = operations.init(repository, POLICIES[policy], _now(), dry=dry, given=given)
    tell(done, as_json=as_json)
    if not as_json:
        print(
            f"root of trust: {repository.metadata / 'root.json'}\nkeys: {repository.keys} (mode 0600; back them up)"
        )


@group.command("add-firmware")
@click.argument("file", type=FILE)
@click.option(
    "--notes",
    "notes_file",
    type=FILE,
    help="JSON: what changed (ja, en), severity, cves, restart; signed with it. Only --replace goes without.",
)
@_replace
@changes
@click.pass_obj
def add_firmware(
    repository: Repository, file: Path, notes_file: Path | None, *, replace: bool, dry: bool, as_json: bool
) -> None:
    """Check a .bundle to the last byte and sign it into `firmware`."""
    if notes_file is None and not replace:
        raise TargetError(
            "customers are told what a firmware changes: add --notes FILE; in development --replace goes without"
        )
    said = notes.read(notes_file) if notes_file else None
    if said:
        check_promise(repository, file, said, _now())
    done = operations.add_firmware(repository, file, _now(), replace=replace, dry=dry, notes=said)
    tell(done, as_json=as_json)


@group.command("notes")
@click.argument("version", metavar="VERSION")
@click.option(
    "--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True, help="Of what it says."
)
@click.pass_obj
def notes_command(repository: Repository, version: str, language: str) -> None:
    """Print what a signed firmware says to customers, for `omamori fleet releases add --notes`."""
    for target in operations.status(repository, _now()).targets:
        if target.path.startswith("firmware/") and target.version == version and target.release:
            print("\n".join(notes.lines(notes.parse(target.release), language)))
            return
    raise TargetError(f"no firmware {version} with notes: sign it with `add-firmware --notes FILE`")


@group.command("allow-downgrade")
@click.argument("version", metavar="VERSION")
@click.option("--variant", default="product", show_default=True, help="Of the bundle.")
@click.option(
    "--from", "newer", multiple=True, help="A newer version it may replace; again for more. None: no leave."
)
@changes
@click.pass_obj
def allow_downgrade(
    repository: Repository, version: str, variant: str, newer: tuple[str, ...], *, dry: bool, as_json: bool
) -> None:
    """Sign the order that units may go back to VERSION; without one each refuses whatever is older."""
    listed = [_version(text) for text in newer]
    done = downgrade.allow(repository, variant, _version(version), listed, _now(), dry=dry)
    tell(done, as_json=as_json)


@group.command("add-pack")
@click.argument("file", type=FILE)
@click.option("--version", "version", help="The pack's version.  [default: from its manifest.json]")
@_replace
@changes
@click.pass_obj
def add_pack(
    repository: Repository, file: Path, version: str | None, *, replace: bool, dry: bool, as_json: bool
) -> None:
    """Sign a signature .pack into `signatures`."""
    parsed = _version(version) if version else None
    tell(operations.add_pack(repository, file, parsed, _now(), replace=replace, dry=dry), as_json=as_json)


@group.command()
@changes
@click.pass_obj
def refresh(repository: Repository, *, dry: bool, as_json: bool) -> None:
    """Renew snapshot and timestamp before they expire; run it on a timer."""
    tell(operations.refresh(repository, _now(), dry=dry), as_json=as_json)


@group.command()
@click.option(
    "--to", required=True, type=click.Path(file_okay=False, path_type=Path), help="The served directory."
)
@changes
@click.pass_obj
def publish(repository: Repository, to: Path, *, dry: bool, as_json: bool) -> None:
    """Copy the repository to a directory of static files; the timestamp appears after all that it names."""
    tell(operations.publish(repository, to, _now(), dry=dry), as_json=as_json)


_roles = click.argument("roles", type=click.Choice(EVERY), nargs=-1, required=True)


@group.command()
@_roles
@changes
@click.pass_obj
def renew(repository: Repository, roles: tuple[str, ...], *, dry: bool, as_json: bool) -> None:
    """Sign roles anew with the keys they have, for a later expiry."""
    tell(operations.renew(repository, roles, _now(), dry=dry), as_json=as_json)


@group.command()
@_roles
@click.option(
    "--key",
    "only",
    multiple=True,
    help="Exchange only the key whose id begins so; repeatable.  [default: all]",
)
@token_cli.option
@changes
@click.pass_obj
def rotate(
    repository: Repository,
    roles: tuple[str, ...],
    only: tuple[str, ...],
    given: token_cli.Given,
    *,
    dry: bool,
    as_json: bool,
) -> None:
    """Exchange the keys of roles that are old, lost or stolen; needs the root's (or targets') keys here."""
    done = rotation.rotate(repository, roles, only, _now(), dry=dry, given=given)
    if as_json:
        print(json.dumps(to_wire(done)))
        return
    signed = ", ".join(f"{role} {version}" for role, version in done.roles.items())
    print(f"{'would be: ' if dry else ''}rotated {', '.join(roles)}: {done.new} new keys ({signed})")
    print(f"no longer counted: {', '.join(keyid[:12] for keyid in done.gone)}")
    for line in (*(f"new key file: {repository.keys / name}" for name in done.files), *done.explanation):
        print(line)


@group.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
@click.pass_obj
def drill(repository: Repository, *, as_json: bool) -> None:
    """What each key lost or stolen would mean, tried in memory with the keys that are here."""
    cases = rotation.drill(repository, _now())
    if as_json:
        print(json.dumps([to_wire(case) for case in cases]))
        return
    for case in cases:
        print(f"{case.role:<12}{case.event:<18}{'' if case.mended else 'NOT MENDED: '}{case.outcome}")


@group.group("ceremony")
def ceremony_group() -> None:
    """Sign a new root with keys that never meet on one machine."""


@ceremony_group.command()
@click.argument("roles", type=click.Choice(TOP), nargs=-1)
@click.option(
    "--key", "only", multiple=True, help="Exchange only keys whose id begins so; repeatable.  [default: all]"
)
@click.option(
    "--to",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The proposal, to be carried.",
)
@token_cli.option
@changes
@click.pass_obj
def propose(
    repository: Repository,
    roles: tuple[str, ...],
    only: tuple[str, ...],
    to: Path,
    given: token_cli.Given,
    *,
    dry: bool,
    as_json: bool,
) -> None:
    """Write the next root, with new keys for ROLES or only a later expiry."""
    found = ceremony.propose(repository, roles, only, to, _now(), dry=dry, given=given)
    _tell_proposal(found, as_json=as_json)


@ceremony_group.command()
@click.argument("file", type=FILE)
@click.option("--key", required=True, type=FILE, help="The holder's root key.")
@click.option("--root", required=True, type=FILE, help="The root the holder trusts, the one before.")
@changes
def endorse(file: Path, key: Path, root: Path, *, dry: bool, as_json: bool) -> None:
    """Show what a proposal changes and sign it with one key; needs no repository. Begin with --dry-run."""
    _tell_proposal(ceremony.endorse(file, key, root, dry=dry), as_json=as_json)


@ceremony_group.command()
@click.argument("file", type=FILE)
@changes
@click.pass_obj
def accept(repository: Repository, file: Path, *, dry: bool, as_json: bool) -> None:
    """Make a proposal that enough holders signed the current root."""
    _tell_proposal(ceremony.accept(repository, file, _now(), dry=dry), as_json=as_json)


def _tell_proposal(found: ceremony.Proposal, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(to_wire(found)))
        return
    print(f"{'dry run: ' if found.dry else ''}root {found.version}, good until {found.expires:%Y-%m-%d}")
    for line in found.changes or ("no key changes",):
        print(line)
    print(
        f"signed by {', '.join(keyid[:12] for keyid in found.signed_by) or 'nobody'}; {found.missing} more needed"
    )


@group.command("audit")
@click.argument("published", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--root", type=FILE, help="The root of trust to begin from.  [default: metadata/1.root.json there]"
)
@click.option(
    "--after", metavar="SHA256", help="Of the last line when you looked before: it must still be there."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def audit_command(
    ctx: click.Context, published: Path, root: Path | None, after: str | None, *, as_json: bool
) -> None:
    """Check all that was ever signed, from a published directory alone; exit code 3 where something is wrong."""
    kept = (after or "").lower()
    if after is not None and not re.fullmatch("[0-9a-f]{64}", kept):
        raise click.BadParameter("64 digits, as `last line's sha256` has them", param_hint="--after")
    trusted = (root or published / "metadata/1.root.json").read_bytes()
    found = audit.check(published, trusted, _now(), after=kept)
    if as_json:
        print(json.dumps(to_wire(found)))
    else:
        _tell_audit(found)
    if found.problems:
        ctx.exit(3)


def _tell_audit(found: audit.Findings) -> None:
    for signature in found.signatures:
        keys = ", ".join(keyid[:12] for keyid in signature.signed_by)
        print(f"{signature.number:>5}  {signature.time:%Y-%m-%d %H:%M}  {signature.file} signed by {keys}")
        for name in signature.names:
            print(f"{'':<25}names {name}")
    for number in found.abandoned:
        print(f"{number:>5}  signed and never in force")
    for problem in found.problems:
        print(f"PROBLEM: {problem}")
    print(f"{found.states} states under the root with sha256 {found.root}\nlast line's sha256 {found.head}")


@group.command()
@click.option(
    "--within",
    type=click.IntRange(0, 3650),
    metavar="DAYS",
    help="Only what expires so soon; exit code 3 if any does.",
)
@click.option("--keys", "with_keys", is_flag=True, help="The key ids of each role, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def status(ctx: click.Context, within: int | None, *, with_keys: bool, as_json: bool) -> None:
    """Roles with version, expiry and keys, and the signed files."""
    repository = ctx.find_object(Repository)
    assert repository is not None  # noqa: S101 - the group made it
    if within is not None:
        _remind(ctx, operations.expiring(repository, _now(), timedelta(days=within)), as_json=as_json)
        return
    found = operations.status(repository, _now())
    if as_json:
        print(json.dumps(to_wire(found)))
        return
    print(f"{'role':<12}{'version':>8}{'expires in':>12}  keys")
    for role in found.roles:
        print(
            f"{role.role:<12}{role.version:>8}{_left(role):>12}  {role.threshold} of {role.keys}, {role.keys_here} here"
        )
        for keyid in role.key_ids if with_keys else ():
            print(f"{'':<12}{keyid}")
    for target in found.targets:
        print(f"{target.path}  {target.length:,} bytes  sha256 {target.sha256[:16]}")


def _remind(ctx: click.Context, soon: list[operations.RoleStatus], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([to_wire(role) for role in soon]))
    for role in () if as_json else soon:
        print(
            f"{role.role}: {_left(role)} left; bring {role.threshold} of its {role.keys} keys and run"
            f" `omamori sign renew {role.role}`, then publish"
        )
    if soon:
        ctx.exit(3)


def _left(role: operations.RoleStatus) -> str:
    return f"{role.days:.1f} d" if role.days > 0 else "EXPIRED"


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except ProtocolError as error:
        raise click.BadParameter(str(error), param_hint="--version") from error


def _now() -> datetime:
    return datetime.now(UTC)
