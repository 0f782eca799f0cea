"""`python -m lab.wiring`: every fault, every correct office and mixtures of two, built for real and judged by the real process."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.wiring import longer, parts, report
from lab.wiring.plan import FAULTS, MIXTURES, VARIANTS
from lab.wiring.trial import SETTLED, Case, Outcome, mixture, run, single, variant
from omamori.protocol.vocabulary import WiringCode


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="omamori-lab-") as directory:
        certificates = parts.certificates(Path(directory))
        made = _report(options, certificates)
    print("\n".join(made.lines()))
    if options.json:
        options.json.write_text(json.dumps(made.figures(), indent=1) + "\n", encoding="utf-8")
    return int(options.check and not all(made.goals().values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./inv lab", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    parser.add_argument("--only", default="", help="codes or names of correct offices, with commas between")
    parser.add_argument("--watch", type=float, default=130.0, help="seconds to watch a correct office")
    parser.add_argument(
        "--settled", type=float, default=SETTLED, help="seconds that a right verdict must hold"
    )
    parser.add_argument("--jobs", type=int, default=4, help="topologies at the same time")
    return parser.parse_args()


def _report(options: argparse.Namespace, certificates: parts.Certificates) -> report.Report:
    chosen = {name.strip() for name in options.only.split(",") if name.strip()}
    unknown = chosen - set(VARIANTS) - {str(code) for code in FAULTS} - {"mixtures", "faults", "correct"}
    if unknown:
        raise SystemExit(f"no such code or office: {', '.join(sorted(unknown))}")
    singles = [single(code) for code in FAULTS if _wanted(chosen, code, "faults")]
    mixed = [mixture(*pair) for pair in MIXTURES if _wanted(chosen, "", "mixtures")]
    correct = [variant(name, watch=options.watch) for name in VARIANTS if _wanted(chosen, name, "correct")]
    outcomes = _run_all([*singles, *mixed, *correct], certificates, options)
    ends = len(singles), len(singles) + len(mixed)
    kinds = (outcomes[: ends[0]], outcomes[ends[0] : ends[1]], outcomes[ends[1] :])
    simulated = {
        each.case.name: longer.false_findings(each.recordings, frozenset())
        for each in kinds[2]
        if not each.trouble
    }
    return report.Report(kinds[0], kinds[1], kinds[2], simulated)


def _wanted(chosen: set[str], name: WiringCode | str, group: str) -> bool:
    return not chosen or str(name) in chosen or group in chosen


def _run_all(
    cases: Sequence[Case], certificates: parts.Certificates, options: argparse.Namespace
) -> list[Outcome]:
    """In the given order; each is printed when it ends."""

    def one(case: Case) -> Outcome:
        outcome = run(case, certificates, settled=options.settled)
        print(report.line(outcome), flush=True)
        return outcome

    with ThreadPoolExecutor(options.jobs) as pool:
        return list(pool.map(one, cases))


if __name__ == "__main__":
    sys.exit(main())
