"""`omamori engine`: check rules, build packs, replay captures, measure conformance."""

import json
import sys
from pathlib import Path

import click

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.ips.spans import Variables
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import checking
from omamori.firmware.signatures.packing import group as pack_group
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.firmware.signatures.suricata.files import Parsed

_FILES = click.Path(exists=True, path_type=Path)
_CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=_CONTEXT)
def group() -> None:
    """Check rules and replay captures through the inspection engine."""


@group.command("check-rules")
@click.argument("files", nargs=-1, required=True, type=_FILES)
@click.option("--disabled", is_flag=True, help="Read rules that are commented out, too.")
@click.option(
    "--least", type=click.FloatRange(0, 100), default=0.0, help="Fail when a smaller share loads, in percent."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def check_rules(files: tuple[Path, ...], *, disabled: bool, least: float, as_json: bool) -> None:
    """Tell which rules load, and of each other one where and why not.

    FILES are rule files in Suricata's language, or folders with *.rules in them.
    """
    parsed = _read(files, with_disabled=disabled)
    try:
        RuleSet.build(parsed.rules)
    except SignatureError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(checking.summary(parsed), indent=2))
    else:
        for line in checking.lines(parsed):
            click.echo(line)
    total = len(parsed.rules) + len(parsed.refused)
    if total and 100 * len(parsed.rules) / total < least:
        raise click.ClickException(f"less than {least} % of the rules load")


def _read(files: tuple[Path, ...], *, with_disabled: bool = False) -> Parsed:
    try:
        return read_rules(files, with_disabled=with_disabled)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{text}\x1b[K", err=True, nl=False)


@group.command()
@click.option("--pcap", required=True, type=_FILES, help="Capture file, pcap or pcapng.")
@click.option(
    "--rules", multiple=True, type=_FILES, help="Rule files or folders; may be given several times."
)
@click.option(
    "--threshold", type=_FILES, help="Suricata's threshold.config: suppress, event_filter, rate_filter."
)
@click.option("--home", multiple=True, help="Networks of the inside (HOME_NET); default: private addresses.")
@click.option(
    "--ips", is_flag=True, help="Drop rules drop, as in the bridge; otherwise everything is told only."
)
@click.option(
    "--eve", type=click.Path(dir_okay=False, path_type=Path), help="Write EVE JSON lines to this file."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def replay(
    pcap: Path,
    rules: tuple[Path, ...],
    threshold: Path | None,
    home: tuple[str, ...],
    *,
    ips: bool,
    eve: Path | None,
    as_json: bool,
) -> None:
    """Run a capture through the engine. Needs no root."""
    from omamori.firmware.signatures import replaying
    from omamori.firmware.signatures.tuning import parse_tuning, tuned

    try:
        parsed = read_rules(rules)
        variables = replaying.home_variables(home, Variables(datasets=parsed.datasets))
        tuning = parse_tuning(threshold.read_text(encoding="utf-8")) if threshold else {}
        signatures = Signatures(rules=tuned(parsed.rules, variables, tuning))
        told = replaying.run(pcap, signatures, variables, ips=ips, eve=eve, progress=_progress)
    except (OSError, ValueError, SignatureError, replaying.CaptureError) as error:
        raise click.ClickException(str(error)) from error
    for refusal in parsed.refused:
        click.echo(f"not loaded: {refusal}", err=True)
    click.echo(json.dumps(told, indent=2, ensure_ascii=False) if as_json else replaying.text(told))


@group.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", default="", help="Only cases whose name contains this.")
@click.option(
    "--least",
    type=click.FloatRange(0, 100),
    default=0.0,
    help="Fail when a smaller share passes, in percent.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def conformance(directory: Path, *, only: str, least: float, as_json: bool) -> None:
    """Run the acceptance cases of suricata-verify in DIRECTORY and tell which pass.

    The share is that of the cases that can be run here; the others are counted and listed with their reasons.
    """
    from omamori.firmware.signatures.conformance import Status, run, totals

    results = []
    for result in run(directory, only=only):
        results.append(result)
        _progress(f"{len(results)} cases, now {result.case}")
    told = totals(results)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for result in sorted(results, key=lambda result: (result.status.value, result.case), reverse=True):
            if result.status is not Status.PASSED:
                click.echo(f"{result.status:8} {result.case}: {result.reason}")
        ran = len(results) - int(str(told["skipped"]))
        click.echo(
            f"{told['passed']} of {ran} cases pass, {100 * float(str(told['share'])):.1f} %; {told['skipped']} skipped"
        )
    if 100 * float(str(told["share"])) < least:
        raise click.ClickException(f"less than {least} % of the cases pass")


group.add_command(pack_group)
