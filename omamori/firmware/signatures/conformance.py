"""How many cases of OISF's acceptance suite (suricata-verify) the engine answers as Suricata 7 does.

A case is a folder with `test.yaml`, a rule file and a capture. Only what it says about alerts and drops is compared: we write
no other events. A case is skipped, with its reason, when it needs another version or feature, when a rule of it does not
load, when its capture is not there, or when nothing in it is about alerts.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from omamori.firmware.engine import eve
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.ips.rule import Group
from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.ips.spans import Variables, networks
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.capture import CaptureError
from omamori.firmware.signatures.matching import compared_keys, matches
from omamori.firmware.signatures.replay import Options, replay
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.firmware.signatures.suricata.files import Parsed
from omamori.firmware.signatures.suricata.header import parse_group

ANSWERS_AS = (7, 0, 17)
"""The Suricata version that is imitated."""
_VARIABLE = "vars.address-groups."


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    case: str
    status: Status
    reason: str = ""


@dataclass(slots=True)
class _Case:
    folder: Path
    text: Mapping[str, Any]
    settings: dict[str, str] = field(default_factory=dict)
    """`--set` and suricata.yaml, as far as it matters here."""
    ips: bool = False


class _Skip(Exception):  # noqa: N818 - not an error
    """The reason."""


def run(root: Path, *, only: str = "") -> Iterator[Result]:
    """Every case under `root` whose name contains `only`. Needs PyYAML (an engineer's dependency)."""
    for description in sorted(root.rglob("test.yaml")):
        name = str(description.parent.relative_to(root))
        if only in name:
            yield _result(description.parent, name)


def _result(folder: Path, name: str) -> Result:
    try:
        problems = _problems(_read(folder))
    except _Skip as skip:
        return Result(name, Status.SKIPPED, str(skip))
    except Exception as error:  # noqa: BLE001 - a crash in one case is that case's failure, and the rest are still to be run
        return Result(name, Status.FAILED, f"{type(error).__name__}: {error}")
    return Result(name, Status.FAILED, "; ".join(problems)) if problems else Result(name, Status.PASSED)


def _read(folder: Path) -> _Case:
    import yaml

    text = yaml.safe_load((folder / "test.yaml").read_text(encoding="utf-8")) or {}
    case = _Case(folder, text)
    _need(text.get("requires"))
    arguments = text.get("args") or []
    for argument in [str(argument) for argument in arguments]:
        case.ips = case.ips or "--simulate-ips" in argument
        words = argument.split()
        for flag, value in pairwise(words):
            if flag == "--set" and "=" in value:
                key, _, setting = value.partition("=")
                case.settings[key] = setting
        if any(word in argument for word in ("port ", "-r ")):
            raise _Skip(f"needs the argument {argument!r}")
    configuration = folder / "suricata.yaml"
    if configuration.exists():
        case.settings = _addresses(configuration) | case.settings
    return case


def _addresses(configuration: Path) -> dict[str, str]:
    import yaml

    try:
        loaded = (
            yaml.safe_load(configuration.read_text(encoding="utf-8").replace("%YAML 1.1", "").lstrip()) or {}
        )
        groups = loaded.get("vars", {}).get("address-groups", {})
    except (yaml.YAMLError, AttributeError):
        return {}
    return {_VARIABLE + str(name): str(value) for name, value in groups.items()}


def _need(requires: object) -> None:
    """Raises _Skip."""
    if not isinstance(requires, dict):
        return
    for key, value in requires.items():
        match key:
            case "min-version" if _version(value) > ANSWERS_AS:
                raise _Skip(f"for Suricata {value} and later")
            case "lt-version" if _version(value) <= ANSWERS_AS:
                raise _Skip(f"for Suricata before {value}")
            case "gt-version" if _version(value) >= ANSWERS_AS:
                raise _Skip(f"for Suricata after {value}")
            case "version" if _version(value)[:1] != ANSWERS_AS[:1]:
                raise _Skip(f"for Suricata {value}")
            case "features" | "script" | "files" | "lambda":
                if any(str(each) not in ("HAVE_JA3", "HAVE_JA4") for each in _listed(value)):
                    raise _Skip(f"needs {key} {value}")
            case _:
                pass


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def _version(text: object) -> tuple[int, ...]:
    parts = [int(part) for part in str(text).split("-")[0].split(".") if part.isdigit()]
    return tuple([*parts, 0, 0, 0][:3])


def _problems(case: _Case) -> list[str]:
    """What differs. Raises _Skip."""
    checks = list(_alert_checks(case.text.get("checks") or []))
    if not checks:
        raise _Skip("says nothing about alerts that can be compared")
    parsed = _rules(case.folder)
    capture = _capture(case)
    variables = _variables(case.settings)
    try:
        rules = RuleSet.build(parsed.rules, variables)
        outcome = replay(capture, Signatures(rules=rules), Options(variables, prevent=case.ips))
    except (SignatureError, CaptureError) as error:
        return [str(error)]
    events = [eve.record(sighting) for sighting in outcome.sightings]
    return [problem for check in checks if (problem := _difference(check, events))]


def _alert_checks(checks: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for check in checks:
        wanted = check.get("filter")
        if not wanted or "count" not in wanted or (wanted.get("match") or {}).get("event_type") != "alert":
            continue
        try:
            _need(wanted.get("requires"))
            _need(check.get("requires"))
        except _Skip:
            continue
        if compared_keys(wanted["match"]):
            yield wanted


def _difference(check: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    found = sum(matches(event, check["match"]) for event in events)
    if found == check["count"]:
        return ""
    what = {key: value for key, value in check["match"].items() if key != "event_type"}
    return f"{found} alerts, not {check['count']}, with {what}"


def _rules(folder: Path) -> Parsed:
    files = sorted(folder.glob("*.rules"))
    if not files:
        raise _Skip("no rules")
    parsed = read_rules(files)
    if parsed.refused:
        raise _Skip(f"a rule does not load: {parsed.refused[0].reason}")
    return parsed


def _capture(case: _Case) -> Path:
    named = case.text.get("pcap")
    if named:
        path = case.folder / str(named)
        if not path.exists():
            raise _Skip(f"the capture {named} is not there")
        return path
    found = sorted([*case.folder.glob("*.pcap"), *case.folder.glob("*.pcapng"), *case.folder.glob("*.cap")])
    if len(found) != 1:
        raise _Skip(f"{len(found)} captures")
    return found[0]


def _variables(settings: Mapping[str, str]) -> Variables:
    groups: dict[str, Group] = {
        "HOME_NET": networks("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"),
        "HTTP_PORTS": parse_group("80", ports=True),
    }
    for key, value in settings.items():
        if key.startswith(_VARIABLE):
            groups[key.removeprefix(_VARIABLE)] = _group(value)
    return Variables().with_groups(groups)


def _group(text: str) -> Group:
    try:
        return networks(str(ipaddress.ip_network(text)))
    except ValueError:
        return parse_group(text, ports=False)


def totals(results: Sequence[Result]) -> dict[str, object]:
    """The JSON form."""
    passed = sum(result.status is Status.PASSED for result in results)
    failed = sum(result.status is Status.FAILED for result in results)
    return {
        "cases": len(results),
        "passed": passed,
        "failed": failed,
        "skipped": len(results) - passed - failed,
        "share": round(passed / (passed + failed), 6) if passed + failed else 0.0,
        "failures": [{"case": r.case, "reason": r.reason} for r in results if r.status is Status.FAILED],
        "skips": [{"case": r.case, "reason": r.reason} for r in results if r.status is Status.SKIPPED],
    }
