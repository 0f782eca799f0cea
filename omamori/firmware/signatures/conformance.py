"""How many cases of OISF's acceptance suite (suricata-verify) the engine answers as Suricata 7 does.

A case is a folder with `test.yaml`, a rule file and a capture. What it says about alerts and drops is compared: we write no
other events. Where it asks for fields that only a log has (packet numbers, payload), it is compared by the others, and at
least as many events must be there. `cases.py` says when a case is skipped.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from omamori.firmware.engine import eve
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.capture import CaptureError
from omamori.firmware.signatures.cases import (
    Case,
    Skip,
    capture_of,
    need,
    read_case,
    rules_of,
    tuning_of,
    variables_of,
)
from omamori.firmware.signatures.drops import drop_events
from omamori.firmware.signatures.matching import compared, matches
from omamori.firmware.signatures.replay import Options, Outcome, replay
from omamori.firmware.signatures.tuning import tuned

_EVENTS = ("alert", "drop")


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    case: str
    status: Status
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Check:
    """A filter: how many events match."""

    match: Mapping[str, Any]
    """Only what can be compared."""
    count: int
    exact: bool
    """Nothing was left out of the filter."""


def run(root: Path, *, only: str = "") -> Iterator[Result]:
    """Every case under `root` whose name contains `only`. Needs PyYAML (an engineer's dependency)."""
    for description in sorted(root.rglob("test.yaml")):
        name = str(description.parent.relative_to(root))
        if only in name:
            yield _result(description.parent, name)


def _result(folder: Path, name: str) -> Result:
    try:
        problems = _problems(read_case(folder))
    except Skip as skip:
        return Result(name, Status.SKIPPED, str(skip))
    except Exception as error:  # noqa: BLE001 - a crash in one case is that case's failure, and the rest are still to be run
        return Result(name, Status.FAILED, f"{type(error).__name__}: {error}")
    return Result(name, Status.FAILED, "; ".join(problems)) if problems else Result(name, Status.PASSED)


def _problems(case: Case) -> list[str]:
    """What differs. Raises Skip."""
    checks = list(_checks(case.text.get("checks") or []))
    if not checks:
        raise Skip("says nothing about alerts and drops that can be compared")
    parsed, capture = rules_of(case), capture_of(case)
    variables = replace(variables_of(case), datasets=parsed.datasets)
    options = Options(variables, prevent=case.ips, settings=replace(Settings(), midstream=case.midstream))
    try:
        rules = tuned(parsed.rules, variables, tuning_of(case))
        outcome = replay(capture, Signatures(rules=rules), options)
    except (SignatureError, CaptureError) as error:
        return [str(error)]
    events = _events(case, outcome)
    return [problem for check in checks if (problem := _difference(check, events))]


def _events(case: Case, outcome: Outcome) -> list[Mapping[str, Any]]:
    alerts = [eve.record(sighting) for sighting in outcome.sightings]
    flows = [value for name, value in case.settings.items() if name.endswith("drop.flows")]
    every = "all" in flows or not (case.folder / "suricata.yaml").exists()
    return [*alerts, *drop_events(outcome.drops, every_packet=every)]


def _checks(checks: Iterable[Mapping[str, Any]]) -> Iterator[_Check]:
    for check in checks:
        wanted = check.get("filter")
        if not isinstance(wanted, Mapping) or wanted.get("filename", "eve.json") != "eve.json":
            continue
        match, count = wanted.get("match") or {}, wanted.get("count")
        if match.get("event_type") not in _EVENTS or type(count) is not int:
            continue
        try:
            need(wanted.get("requires"))
            need(check.get("requires"))
        except Skip:
            continue
        kept = compared(match)
        if kept == match or count:
            yield _Check(kept, count, kept == match)


def _difference(check: _Check, events: Sequence[Mapping[str, Any]]) -> str:
    found = sum(matches(event, check.match) for event in events)
    if found == check.count or (not check.exact and found > check.count):
        return ""
    what = {key: value for key, value in check.match.items() if key != "event_type"}
    wanted = f"{check.count}" if check.exact else f"at least {check.count}"
    return f"{found} {check.match['event_type']}s, not {wanted}, with {what}"


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
