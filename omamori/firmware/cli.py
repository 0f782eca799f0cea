"""`omamori-unit`: what a unit knows about itself, for whoever sits at its console.

It only reads the files the processes write (docs/internals.md), so it works while any of them is down and needs no
process to answer. Exit codes: 0 fine, 1 something is wrong, 2 wrong usage.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from omamori.firmware.host import system
from omamori.firmware.host.files import read_capped, write_atomic
from omamori.firmware.host.paths import Paths
from omamori.protocol.errors import ProtocolError
from omamori.protocol.fetching import Fetching, checked
from omamori.protocol.messages import Want, decode
from omamori.protocol.policy import NOTHING_CHANGED, Policy
from omamori.protocol.reasons import EXPLAINED
from omamori.protocol.version import Version
from omamori.protocol.wire import to_wire

_FRESH: Final = 15.0
"""Seconds; the bridge writes its status every two."""
_CONTEXT: Final = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=_CONTEXT)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    envvar="OMAMORI_ROOT",
    default=Path("/"),
    help="Where the unit's files are.",
)
@click.pass_context
def unit(context: click.Context, root: Path) -> None:
    """Show and check this unit."""
    context.obj = Paths(root)


@unit.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_obj
def status(paths: Paths, *, as_json: bool) -> None:
    """Tell what each process says about itself."""
    known = gather(paths)
    if as_json:
        click.echo(json.dumps(known, indent=2, sort_keys=True))
        return
    for name, facts in known.items():
        click.echo(f"{name:8} {_sentence(facts)}")


@unit.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_obj
def packs(paths: Paths, *, as_json: bool) -> None:
    """List the signature packs on this unit, newest first; the one in force is marked."""
    found = _packs(paths)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for pack in found:
        click.echo(
            f"{'*' if pack['current'] else ' '} {pack['version']:16} {pack['bytes']:>12,} bytes  {pack['path']}"
        )
    if not found:
        click.echo("no signature pack on this unit")


@unit.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_obj
def policy(paths: Paths, *, as_json: bool) -> None:
    """Show what the operator changed about the guards of this unit."""
    try:
        want = decode(Want, read_capped(paths.want))
    except FileNotFoundError:
        want = Want(0)
    except (OSError, ProtocolError) as error:
        raise click.ClickException(f"{paths.want} cannot be read: {error}") from error
    if as_json:
        click.echo(json.dumps({"generation": want.generation, "policy": to_wire(want.policy)}, indent=2))
        return
    for line in _policy_lines(want.policy, datetime.now(UTC)):
        click.echo(line)


def _policy_lines(policy: Policy, now: datetime) -> Iterator[str]:
    for each in policy.exemptions:
        named = (("host", each.host), ("rule", each.rule), ("destination", each.destination))
        what = ", ".join(f"{name} {value}" for name, value in named if value)
        ended = "" if now < each.until else " (ended)"
        yield f"exception {each.number}: {what} until {each.until:%Y-%m-%d %H:%M} UTC{ended}"
    for change in policy.changes:
        yield f"{change.subject}: {change.response}"
    if policy.blocked_categories:
        yield f"blocked categories: {', '.join(policy.blocked_categories)}"
    if policy.trial_days:
        yield f"rules younger than {policy.trial_days} days are told only"
    if policy == NOTHING_CHANGED:
        yield "every guard does as by default"


@unit.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_obj
def reasons(paths: Paths, *, as_json: bool) -> None:
    """Tell why packets were dropped or passed uninspected since boot, and flows left alone."""
    state = _document(paths.bridge_status).get("state")
    found = state if isinstance(state, dict) else {}
    counts = {kind: found.get(kind) or [] for kind in ("dropped", "uninspected", "unfollowed")}
    if as_json:
        click.echo(json.dumps(counts, indent=2))
        return
    for kind, listed in counts.items():
        for each in listed:
            meaning = EXPLAINED.get(each["reason"], "")
            click.echo(f"{kind:12} {each['count']:>12,}  {each['reason']}{meaning and f': {meaning}'}")
    if not any(counts.values()):
        click.echo("nothing was dropped, nothing passed uninspected")


@unit.command("self-test")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option(
    "--factory", is_flag=True, help="Test the hardware, with one cable from wan0 to lan0. Needs root."
)
@click.option("--interactive", is_flag=True, help="With --factory: ask about the lamp, wait for the button.")
@click.option("--without", "left_out", multiple=True, metavar="CHECK", help="With --factory: leave this out.")
@click.option("--unit", "label", metavar="ID", help="With --factory: what the label on the unit says.")
@click.pass_obj
def self_test(
    paths: Paths,
    *,
    as_json: bool,
    factory: bool,
    interactive: bool,
    left_out: tuple[str, ...],
    label: str | None,
) -> None:
    """Check that this unit protects, or with --factory that it may be shipped: exit code 1 where not."""
    if factory:
        from omamori.firmware.factory.command import test_hardware

        test_hardware(paths, left_out, label, as_json=as_json, interactive=interactive)
        return
    if interactive or left_out or label:
        raise click.UsageError("--interactive, --without and --unit belong to --factory")
    results = [Result(name, *check(paths)) for name, check in CHECKS.items()]
    if as_json:
        click.echo(
            json.dumps([{"check": r.name, "passed": r.passed, "detail": r.detail} for r in results], indent=2)
        )
    else:
        for result in results:
            click.echo(f"{'ok  ' if result.passed else 'FAIL'} {result.name}: {result.detail}")
    if not all(result.passed for result in results):
        raise click.exceptions.Exit(1)


@unit.command()
@click.option(
    "--from",
    "origin",
    metavar="DIR|URL",
    help="A mirror on the LAN or a mounted stick, trusted as little as the fleet's server.",
)
@click.option(
    "--version", help="Stage this version.  [default with --from: the newest; else what the fleet wants]"
)
@click.option("--now", is_flag=True, help="Restart into what is staged.")
@click.pass_obj
def update(paths: Paths, *, origin: str | None, version: str | None, now: bool) -> None:
    """Fetch and stage a firmware now; the next start tries it. Needs root."""
    words = [*(["--from", origin] if origin else []), *(["--version", version] if version else [])]
    for command in (["run", *words], *([["apply"]] if now else [])):
        ended = subprocess.run(
            [sys.executable, "-m", "omamori.firmware.update", *command, "--root", str(paths.root)],
            check=False,
        )
        if ended.returncode:
            raise click.exceptions.Exit(1)
    click.echo(f"update   {_sentence(_document(paths.update_state))}")


@unit.command()
@click.option(
    "--rate", type=int, help="Bytes a second at most over the customer's line; 0 is as much as there is."
)
@click.option(
    "--mirror", metavar="URL", help="Where a server on the LAN has targets/ of the repository; '' for none."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def fetching(paths: Paths, *, rate: int | None, mirror: str | None, as_json: bool) -> None:
    """Show or set how updates are fetched. Setting needs root; what the fleet wants of it goes before."""
    from omamori.firmware.update import connection

    if rate is not None or mirror is not None:
        _set_fetching(paths, connection.read_fetching(paths), rate, mirror)
    found = connection.fetching(paths)
    if as_json:
        click.echo(json.dumps(to_wire(found), indent=2))
        return
    click.echo(f"at most {found.rate:,} bytes a second" if found.rate else "as much as there is")
    if found.mirror:
        click.echo(f"from {found.mirror} where it has them")


def _set_fetching(paths: Paths, before: Fetching, rate: int | None, mirror: str | None) -> None:
    chosen = Fetching(before.rate if rate is None else rate, before.mirror if mirror is None else mirror)
    try:
        chosen = checked(chosen)
    except ProtocolError as error:
        raise click.ClickException(str(error)) from error
    write_atomic(paths.update / "fetching.json", json.dumps(to_wire(chosen)).encode(), durable=True)


@dataclass(frozen=True, slots=True)
class Result:
    """One check of the self-test."""

    name: str
    passed: bool
    detail: str


# --- reading what the processes wrote --------------------------------------------------------------------------------


def gather(paths: Paths) -> dict[str, dict[str, object]]:
    """Everything that is known, by process; a file that is missing or broken says so under `error`."""
    return {
        "unit": _unit(paths),
        "bridge": _document(paths.bridge_status),
        "lan": _lan(paths),
        "usage": _document(paths.usage_status),
        "agent": _document(paths.agent_status),
        "update": _document(paths.update_state),
    }


def _document(path: Path) -> dict[str, object]:
    try:
        value = json.loads(read_capped(path))
    except FileNotFoundError:
        return {"error": f"{path} is missing"}
    except (OSError, ValueError, RecursionError) as error:
        return {"error": f"{path} cannot be read: {error}"}
    return value if isinstance(value, dict) else {"error": f"{path} is no JSON object"}


def _unit(paths: Paths) -> dict[str, object]:
    return {
        "firmware": _fact(lambda: str(system.firmware_version(paths))),
        "variant": _fact(lambda: system.image_variant(paths)),
        "slot": _fact(lambda: system.running_slot(paths)),
        "uptime": _fact(lambda: system.uptime(paths)),
    }


def _fact(read: Callable[[], object]) -> object:
    try:
        return read()
    except (OSError, ValueError, ProtocolError):
        return None


def _lan(paths: Paths) -> dict[str, object]:
    hosts, wiring = _document(paths.hosts), _document(paths.wiring)
    listed, findings = hosts.get("hosts"), wiring.get("findings")
    errors = [str(document["error"]) for document in (hosts, wiring) if "error" in document]
    known: dict[str, object] = {
        "hosts": len(listed) if isinstance(listed, list) else 0,
        "wiring": [f["code"] for f in findings if isinstance(f, dict) and "code" in f]
        if isinstance(findings, list)
        else [],
    }
    return known | ({"error": "; ".join(errors)} if errors else {})


def _packs(paths: Paths) -> list[dict[str, object]]:
    current = paths.current_pack.resolve() if paths.current_pack.exists() else None
    found = [
        (version, path) for path in paths.packs.glob("*.pack") if (version := _version(path)) is not None
    ]
    listed = [
        {
            "version": str(version),
            "path": str(path),
            "bytes": path.stat().st_size,
            "current": path.resolve() == current,
        }
        for version, path in sorted(found, reverse=True)
    ]
    factory = paths.factory_pack
    if factory.exists():
        size = factory.stat().st_size
        listed.append({"version": "factory", "path": str(factory), "bytes": size, "current": current is None})
    return listed


def _version(path: Path) -> Version | None:
    try:
        return Version.parse(path.stem)
    except ProtocolError:
        return None


# --- checks ----------------------------------------------------------------------------------------------------------


def _bridge_alive(paths: Paths) -> tuple[bool, str]:
    document = _document(paths.bridge_status)
    if "error" in document:
        return False, str(document["error"])
    age = _age(document.get("time"))
    if age is None or age > _FRESH:
        return False, "the bridge has not written its status for a while"
    return True, f"status of {age:.0f} s ago"


def _inspecting(paths: Paths) -> tuple[bool, str]:
    document = _document(paths.bridge_status)
    state = document.get("state")
    workers = state.get("workers") if isinstance(state, dict) else 0
    if not workers:
        return False, "no worker: traffic passes uninspected"
    return True, f"pack {document.get('pack')} in force, {workers} worker"


def _wired(paths: Paths) -> tuple[bool, str]:
    known = _lan(paths)
    codes = known["wiring"]
    if "error" in known:
        return False, str(known["error"])
    return codes == ["OK"], ", ".join(map(str, codes)) if isinstance(
        codes, list
    ) and codes else "no diagnosis yet"


def _online(paths: Paths) -> tuple[bool, str]:
    document = _document(paths.agent_status)
    if "error" in document:
        return False, str(document["error"])
    if not document.get("activated"):
        return False, "not activated yet: press the button"
    return bool(document.get("connected")), f"last contact {document.get('last_contact') or 'never'}"


def _age(time: object) -> float | None:
    try:
        written = datetime.fromisoformat(str(time))
    except ValueError:
        return None
    return abs((datetime.now(UTC) - written).total_seconds()) if written.tzinfo else None


CHECKS: Final[Mapping[str, Callable[[Paths], tuple[bool, str]]]] = {
    "bridge": _bridge_alive,
    "inspection": _inspecting,
    "wiring": _wired,
    "fleet": _online,
}


def _sentence(facts: Mapping[str, object]) -> str:
    if "error" in facts:
        return str(facts["error"])
    return ", ".join(f"{name} {_short(value)}" for name, value in facts.items() if name != "workers")


def _short(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_short(inner)}" for name, inner in value.items() if inner not in (None, ""))
    if isinstance(value, list):
        return " ".join(map(_item, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "") else str(value)


def _item(value: object) -> str:
    """Of a list; counts by reason (`BridgeState`) as the rest is written."""
    if isinstance(value, dict) and value.keys() == {"reason", "count"}:
        return f"{str(value['reason']).replace(' ', '-')}={value['count']}"
    return str(value)


def main() -> None:
    """The console script."""
    sys.exit(unit.main(prog_name="omamori-unit"))
