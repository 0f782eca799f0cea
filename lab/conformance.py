"""Conformance with the public corpus, as four shares: rules that load, suricata-verify cases that pass, http-evader cases
among them that are detected, applications named as nDPI names them.

`python -m lab.conformance [--json [FILE]] [--check]` reads the folder that OMAMORI_CORPUS names: `rules/`, `suricata-verify/`
and `ndpi/` in it. Rules that are commented out count too: an operator may switch any of them on. A case that fails is
always listed; a case that cannot run here is counted under its reason. Exit codes: 0 done, 1 with --check where a goal is
missed, 2 with --check where there is no corpus.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.host.ndpi import Ndpi, NdpiError
from omamori.firmware.signatures import applications, checking, conformance
from omamori.firmware.signatures.rulefiles import read_rules

VARIABLE = "OMAMORI_CORPUS"
GOALS = {"rules": 0.99, "cases": 0.97, "evader": 0.98, "applications": applications.GOAL}
"""Shares: of all rules, of the cases that run here, of those among them that bend HTTP, of the flows of the five kinds."""
WHAT = {
    "rules": "rules that load",
    "cases": "suricata-verify cases that pass",
    "evader": "http-evader cases that are detected",
    "applications": "applications named alike",
}
EVADER = "http-evader/"
_PRINTED = "-"
"""In place of a file's name."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Each has a `share`; None where the corpus has nothing to measure it by."""

    rules: dict[str, object]
    """As `omamori engine check-rules --json` tells them."""
    cases: dict[str, object]
    """As `omamori engine conformance --json` tells them."""
    evader: dict[str, object] | None = None
    """The same of the cases in http-evader/."""
    applications: dict[str, object] | None = None
    """As `signatures.applications.run` tells them."""

    @property
    def all(self) -> dict[str, dict[str, object] | None]:
        return {name: getattr(self, name) for name in GOALS}

    @property
    def missed(self) -> list[str]:
        """Goals that are not reached, or not measured, for people."""
        return [
            f"{WHAT[name]}: {_percent(told) if told else 'not measured'}, the goal is {_goal(name)}"
            for name, told in self.all.items()
            if told is None or float(str(told["share"])) < GOALS[name]
        ]


def main() -> int:
    """Prints for people; the exit codes are those above."""
    parser = argparse.ArgumentParser(prog="lab.conformance", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--json",
        nargs="?",
        const=_PRINTED,
        metavar="FILE",
        help="write the figures to this file; without one print them",
    )
    parser.add_argument("--check", action="store_true", help="exit non-zero where a goal is missed")
    options = parser.parse_args()
    corpus = os.environ.get(VARIABLE)
    if not corpus:
        print(f"{VARIABLE} is not set: name the folder that holds rules/ and suricata-verify/")
        return 2 if options.check else 0
    missing = [name for name in ("rules", "suricata-verify") if not Path(corpus, name).is_dir()]
    if missing:
        print(f"{VARIABLE}: {corpus} has no folder {' and no folder '.join(missing)}", file=sys.stderr)
        return 2
    figures = measure(Path(corpus))
    told = json.dumps({**figures.all, "goals": GOALS, "missed": figures.missed}, indent=2)
    if options.json and options.json != _PRINTED:
        Path(options.json).write_text(told + "\n", encoding="utf-8")
    for line in [told] if options.json == _PRINTED else lines(figures):
        print(line)
    return 1 if options.check and figures.missed else 0


def measure(corpus: Path) -> Figures:
    """Raises SignatureError where rules load one by one and not together."""
    parsed = read_rules([corpus / "rules"], with_disabled=True)
    RuleSet.build(parsed.rules)
    results = list(conformance.run(corpus / "suricata-verify"))
    bent = [result for result in results if result.case.startswith(EVADER)]
    return Figures(
        checking.summary(parsed),
        conformance.totals(results),
        conformance.totals(bent) if bent else None,
        names(corpus / "ndpi"),
    )


def names(folder: Path) -> dict[str, object] | None:
    """Applications of the five kinds named as expected; without the library by our own tables alone, which is said."""
    if not (folder / "pcap").is_dir():
        return None
    try:
        library, without = Ndpi(), ""
    except NdpiError as error:
        library, without = None, str(error)
    return {**applications.run(folder, library), "without_library": without}


def lines(figures: Figures) -> Iterator[str]:
    """For people: the failures one by one, the rest in figures."""
    rules, cases = figures.rules, figures.cases
    for failure in _listed(cases["failures"]):
        yield f"failed  {failure['case']}: {failure['reason']}"
    for reason, count in Counter(_kind(skip["reason"]) for skip in _listed(cases["skips"])).most_common():
        yield f"skipped {count:4} cases: {reason}"
    for keyword, count in dict(rules["reasons"] if isinstance(rules["reasons"], dict) else {}).items():
        yield f"refused {count:4} rules: {keyword}"
    if figures.applications is not None:
        yield from _unlike(figures.applications)
    yield f"rules: {rules['loaded']} of {rules['rules']} load, {_percent(rules)} (goal {_goal('rules')})"
    yield f"suricata-verify: {_passed(cases)}, {_percent(cases)} (goal {_goal('cases')}); {cases['skipped']} of {cases['cases']} skipped"
    yield from _optional("http-evader", "evader", figures.evader, _passed)
    yield from _optional("applications", "applications", figures.applications, _alike)
    yield from (f"goal missed: {goal}" for goal in figures.missed)


def _optional(
    title: str, name: str, told: dict[str, object] | None, count: Callable[[dict[str, object]], str]
) -> Iterator[str]:
    yield (
        f"{title}: not measured"
        if told is None
        else f"{title}: {count(told)}, {_percent(told)} (goal {_goal(name)})"
    )


def _passed(told: dict[str, object]) -> str:
    ran = int(str(told["passed"])) + int(str(told["failed"]))
    return f"{told['passed']} of {ran} cases that run here pass"


def _alike(told: dict[str, object]) -> str:
    both = f"{told['applications_alike']} of {told['applications']} by capture and application"
    return f"{told['alike']} of {told['flows']} flows named alike ({both})"


def _unlike(told: dict[str, object]) -> Iterator[str]:
    for failure in _listed(told["failures"]):
        yield f"unlike  {failure['capture']}: {failure['flow']} is {failure['expected']}, named {failure['named'] or 'not'}"
    if told["without_library"]:
        yield f"applications are named without the library: {told['without_library']}"


def _listed(found: object) -> list[dict[str, str]]:
    return found if isinstance(found, list) else []


def _kind(reason: str) -> str:
    """Without what differs from case to case."""
    if reason.startswith("the capture "):
        return "the capture is not there"
    return reason.split(":", maxsplit=1)[0] if reason.startswith("a rule does not load") else reason


def _goal(name: str) -> str:
    return f"{100 * GOALS[name]:.0f} %"


def _percent(told: dict[str, object]) -> str:
    return f"{100 * float(str(told['share'])):.2f} %"


if __name__ == "__main__":
    sys.exit(main())
