"""`omamori engine pack`: build and show signature packs."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import click

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.ips.reputation import Entry
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import eicar, parse_malware
from omamori.firmware.signatures.carried import Capture
from omamori.firmware.signatures.checking import summary
from omamori.firmware.signatures.comparing import carried_capture, compare, judge
from omamori.firmware.signatures.credentials import read_credentials
from omamori.firmware.signatures.everyday import captures as everyday_captures
from omamori.firmware.signatures.lists import ListError, read_list, read_ut1
from omamori.firmware.signatures.reputation import ReputationError, read_scores
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.protocol.errors import VersionError
from omamori.protocol.version import Version

_PATH = click.Path(exists=True, path_type=Path)


@click.group("pack", context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Signature packs: what a unit looks for, in one file."""


@group.command("build")
@click.option("--version", "version_text", required=True, help="Version of the pack, e.g. 1.2.3.")
@click.option("--rules", multiple=True, type=_PATH, help="Rule files or folders; may be given several times.")
@click.option(
    "--domains",
    multiple=True,
    metavar="CATEGORY=FILE",
    help="A list of domains, URLs or addresses and its category, e.g. phishing=f.",
)
@click.option(
    "--credentials",
    multiple=True,
    type=_PATH,
    help="More weak credentials, lines user:password or :password.",
)
@click.option(
    "--reputation",
    multiple=True,
    metavar="CATEGORY=FILE",
    help="Scores of addresses for iprep in rules, lines network,score.",
)
@click.option("--ut1", multiple=True, type=_PATH, help="A tree of UT1 lists: a folder for each category.")
@click.option(
    "--antivirus",
    multiple=True,
    type=_PATH,
    help="Malware signatures in ClamAV's forms: .hdb, .hsb, .ndb, .ldb.",
)
@click.option(
    "--eicar/--no-eicar", "with_eicar", default=True, help="Include the antivirus test file (default)."
)
@click.option(
    "--must",
    multiple=True,
    metavar="FILE[=ID,ID]",
    help="A small capture that the pack carries: each unit must find these signatures in it, or anything.",
)
@click.option("--must-not", multiple=True, type=_PATH, help="A capture in which a unit may find nothing.")
@click.option("--everyday", is_flag=True, help="Carry generated captures, too: ordinary traffic, test file.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The pack to write.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def build(
    version_text: str,
    rules: tuple[Path, ...],
    domains: tuple[str, ...],
    credentials: tuple[Path, ...],
    reputation: tuple[str, ...],
    ut1: tuple[Path, ...],
    antivirus: tuple[Path, ...],
    must: tuple[str, ...],
    must_not: tuple[Path, ...],
    output: Path,
    *,
    with_eicar: bool,
    everyday: bool,
    as_json: bool,
) -> None:
    """Build a pack from rules and lists, and try it.

    Rules and lines that do not load are told on stderr and left out. With SOURCE_DATE_EPOCH set, the same input gives the same
    bytes.
    """
    try:
        content = _content(rules, domains, ut1, antivirus, with_eicar=with_eicar)
        content.credentials = [pair for path in credentials for pair in read_credentials(path)]
        content.reputation = dict(_scores(text) for text in reputation)
        content.captures = _captures(must, must_not, everyday=everyday, test_file=with_eicar)
        _tell(f"compiling {len(content.rules.rules)} rules")
        pack.build(output, Version.parse(version_text), _created(), content)
        manifest = pack.read_manifest(output)
    except (
        OSError,
        ValueError,
        VersionError,
        ListError,
        SignatureError,
        pack.PackError,
        ReputationError,
    ) as error:
        raise click.ClickException(str(error)) from error
    _show(manifest, output, as_json=as_json, loading=_loading(content))


@group.command("show")
@click.argument("file", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def show(file: Path, *, as_json: bool) -> None:
    """Verify a pack, run its self-test and tell what is in it."""
    try:
        pack.load(file)
        manifest = pack.read_manifest(file)
    except (OSError, pack.PackError) as error:
        raise click.ClickException(str(error)) from error
    _show(manifest, file, as_json=as_json)


def _content(
    rules: tuple[Path, ...],
    domains: tuple[str, ...],
    ut1: tuple[Path, ...],
    antivirus: tuple[Path, ...],
    *,
    with_eicar: bool,
) -> pack.Content:
    content = pack.Content(rules=read_rules(rules))
    for refusal in content.rules.refused:
        _tell(f"not loaded: {refusal}")
    for text in domains:
        category, equals, file = text.partition("=")
        if not equals or not category or not file:
            raise ListError(f"--domains wants CATEGORY=FILE, not {text!r}")
        content.lists.append(read_list(Path(file), category))
    content.lists += [each for directory in ut1 for each in read_ut1(directory)]
    for found in content.lists:
        kinds = f"{len(found.domains)} domains, {len(found.urls)} URLs, {len(found.addresses)} addresses"
        _tell(f"{found.category}: {kinds}, {found.skipped} lines skipped")
    for path in antivirus:
        listed = parse_malware(path.read_text(encoding="utf-8", errors="replace"))
        content.malware += listed.signatures
        for line, reason in listed.refused:
            _tell(f"not loaded: {path}:{line}: {reason}")
    if with_eicar:
        content.malware.append(eicar())
    return content


def _captures(
    must: tuple[str, ...], must_not: tuple[Path, ...], *, everyday: bool, test_file: bool
) -> list[Capture]:
    """Raises OSError, PackError."""
    made = everyday_captures(with_test_file=test_file) if everyday else []
    return [
        *(Capture(each.name, each.content, each.matches) for each in made),
        *(carried_capture(text, matches=True) for text in must),
        *(carried_capture(str(path), matches=False) for path in must_not),
    ]


def _loading(content: pack.Content) -> dict[str, object]:
    """What of the input was taken, for whoever judges the sources."""
    rules = summary(content.rules)
    lists = [
        {"category": each.category, "entries": len(each), "skipped": each.skipped} for each in content.lists
    ]
    return {
        "rules": {key: rules[key] for key in ("rules", "loaded", "share", "reasons")},
        "lists": lists,
    }


def _scores(text: str) -> tuple[str, list[Entry]]:
    category, equals, file = text.partition("=")
    if not equals or not category or not file:
        raise ListError(f"--reputation wants CATEGORY=FILE, not {text!r}")
    entries = read_scores(Path(file).read_text(encoding="utf-8"))
    _tell(f"{category}: {len(entries)} networks with a score")
    return category, entries


def _created() -> datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _show(
    manifest: dict[str, object], file: Path, *, as_json: bool, loading: dict[str, object] | None = None
) -> None:
    told = {key: manifest.get(key) for key in ("version", "created", "matcher", "format", "counts")}
    told |= {"file": str(file), "size": file.stat().st_size}
    if as_json:
        click.echo(json.dumps(told | ({"loading": loading} if loading else {}), indent=2))
        return
    for key, value in told.items():
        click.echo(f"{key:8} {json.dumps(value) if isinstance(value, dict) else value}")


group.add_command(judge)
group.add_command(compare)
