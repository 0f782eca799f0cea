"""Conformance with the public corpus: the share of rules that load, and of suricata-verify cases that pass.

`python -m lab.conformance [--json FILE] [--check]` reads the folder that OMAMORI_CORPUS names: `rules/` and
`suricata-verify/` in it. Rules that are commented out count too: an operator may switch any of them on. A case that fails is
always listed; a case that cannot run here is counted under its reason. Exit codes: 0 done, 1 with --check where a goal is
missed, 2 with --check where there is no corpus.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.host.ndpi import Ndpi, NdpiError
from omamori.firmware.signatures import applications, checking, conformance
from omamori.firmware.signatures.rulefiles import read_rules

VARIABLE = "OMAMORI_CORPUS"
RULES_GOAL = 0.70
"""Of all rules in the corpus; the target of the product is 0.99."""
CASES_GOAL = 0.85
"""Of the cases that run here."""
NAMES_GOAL = applications.GOAL


@dataclass(frozen=True, slots=True)
class Figures:
    rules: dict[str, object]
    """As `omamori engine check-rules --json` tells them."""
    cases: dict[str, object]
    """As `omamori engine conformance --json` tells them."""
    names: dict[str, object] | None = None
    """As `signatures.applications.run` tells them; None where the corpus has no `ndpi/`."""

    @property
    def missed(self) -> list[str]:
        """Goals that are not reached, for people."""
        shares = [("rules that load", self.rules, RULES_GOAL), ("cases that pass", self.cases, CASES_GOAL)]
        if self.names is not None:
            shares.append(("applications named alike", self.names, NAMES_GOAL))
        return [
            f"{what}: {_percent(told)}, the goal is {100 * goal:.0f} %"
            for what, told, goal in shares
            if float(str(told["share"])) < goal
        ]


def main() -> int:
    """Prints for people; the exit codes are those above."""
    parser = argparse.ArgumentParser(prog="lab.conformance", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
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
    if options.json:
        told = {
            "rules": figures.rules,
            "cases": figures.cases,
            "applications": figures.names,
            "missed": figures.missed,
        }
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for line in lines(figures):
        print(line)
    return 1 if options.check and figures.missed else 0


def measure(corpus: Path) -> Figures:
    """Raises SignatureError where rules load one by one and not together."""
    parsed = read_rules([corpus / "rules"], with_disabled=True)
    RuleSet.build(parsed.rules)
    results = list(conformance.run(corpus / "suricata-verify"))
    return Figures(checking.summary(parsed), conformance.totals(results), names(corpus / "ndpi"))


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
    yield f"rules: {rules['loaded']} of {rules['rules']} load, {_percent(rules)} (goal {100 * RULES_GOAL:.0f} %)"
    ran = int(str(cases["passed"])) + int(str(cases["failed"]))
    yield (
        f"suricata-verify: {cases['passed']} of {ran} cases that run here pass, {_percent(cases)}"
        f" (goal {100 * CASES_GOAL:.0f} %); {cases['skipped']} of {cases['cases']} skipped"
    )
    if figures.names is not None:
        yield from _named(figures.names)
    yield from (f"goal missed: {goal}" for goal in figures.missed)


def _named(told: dict[str, object]) -> Iterator[str]:
    for failure in _listed(told["failures"]):
        yield f"unlike  {failure['capture']}: {failure['flow']} is {failure['expected']}, named {failure['named'] or 'not'}"
    if told["without_library"]:
        yield f"applications are named without the library: {told['without_library']}"
    yield (
        f"applications: {told['alike']} of {told['flows']} flows named alike, {_percent(told)}"
        f" (goal {100 * NAMES_GOAL:.0f} %); {told['applications_alike']} of {told['applications']} by capture and application"
    )


def _listed(found: object) -> list[dict[str, str]]:
    return found if isinstance(found, list) else []


def _kind(reason: str) -> str:
    """Without what differs from case to case."""
    if reason.startswith("the capture "):
        return "the capture is not there"
    return reason.split(":", maxsplit=1)[0] if reason.startswith("a rule does not load") else reason


def _percent(told: dict[str, object]) -> str:
    return f"{100 * float(str(told['share'])):.2f} %"


if __name__ == "__main__":
    sys.exit(main())
