"""How fast the data path is, against a plain bridge and Suricata inline: the same traffic, in turns, in one run.

`python -m lab.bench [--quick] [--rounds N] [--seconds S] [--rules PATH ...] [--only WORKLOAD,...] [--python] [--json FILE] [--check]`, as root.
Ours runs as in the image, with its hot modules compiled (`lab/compiled.py`); quickly, or without a compiler, as Python only.
Rules are the corpus' where OMAMORI_CORPUS names it, else the demo's. Client, server and inspection share one machine: compare
columns with each other, not with a network card. Exit codes: 0 done, 1 with --check where a goal is missed, 2 nothing measured.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab import compiled
from lab.bench import goals, report
from lab.bench.run import Run
from lab.bench.tools import ToolsMissingError, tools
from lab.bench.workloads import WORKLOADS, Load
from omamori.image.errors import ImageError
from omamori.image.state import State

DEMO = Path(__file__).parents[1] / "signatures" / "demo.rules"
QUICK = Load(seconds=1, objects=200)


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    try:
        installed = tools(State.of())
    except ToolsMissingError as error:
        print(error, file=sys.stderr)
        return 2
    load = QUICK if options.quick else Load(seconds=options.seconds)
    with tempfile.TemporaryDirectory(prefix="omamori-bench-") as folder:
        rules, objects = options.rules or _rules(), None if options.quick else _objects()
        beside = options.python and objects is not None
        run = Run(Path(folder), installed, rules, load, options.only, objects=objects, beside=beside)
        run.measure(rounds=1 if options.quick else options.rounds)
    found = report.medians(run.samples)
    outcomes = goals.judge(found)
    print("\n".join(report.lines(found, outcomes, run.contestants)))
    if options.json:
        told = {
            "facts": run.facts,
            "medians": found,
            "samples": run.samples,
            "goals": list(map(_told, outcomes)),
        }
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    missed = [outcome.figure for outcome in outcomes if outcome.met is False]
    if options.check and missed:
        print(f"goals missed: {', '.join(missed)}")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rules", nargs="+", type=Path, help="rule files or folders in place of the corpus")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measure")
    parser.add_argument(
        "--only", type=_chosen, default=tuple(WORKLOADS), metavar="WORKLOAD,...", help=", ".join(WORKLOADS)
    )
    parser.add_argument("--python", action="store_true", help="ours as Python only takes part too")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 and name the goals where some are missed"
    )
    return parser.parse_args()


def _chosen(text: str) -> Sequence[str]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}"
        )
    return names


def _rules() -> list[Path]:
    corpus = os.environ.get("OMAMORI_CORPUS")
    return [Path(corpus, "rules")] if corpus else [DEMO]


def _objects() -> Path | None:
    """Compiled modules for this Python; None, and why, where that cannot be done."""
    try:
        return compiled.folder()
    except ImageError as error:
        print(f"measured without compiled modules: {error}", file=sys.stderr)
        return None


def _told(outcome: goals.Outcome) -> dict[str, object]:
    return {"figure": outcome.figure, "wanted": outcome.wanted, "ratio": outcome.ratio, "met": outcome.met}


if __name__ == "__main__":
    sys.exit(main())
