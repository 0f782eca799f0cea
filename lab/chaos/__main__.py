"""Chaos on purpose: `python -m lab.chaos [--minutes 30] [--fuzz-minutes 10] [--only NAMES] [--targets NAMES] [--json FILE] [--check]`, as root.

Scenarios. `soak`: mixed traffic through the real data path while its processes are killed, frozen and given new packs; no
allowed exchange may be lost and memory may not grow. `fuzz`: hostile bytes for packets, every parser, rules, signatures and
packs, for so many minutes each. `unit`, with --unit instead of the others: the whole appliance in QEMU, its power cut at random
moments of its life, bits of its running slot turned, and every other fault of its disk and its servers. Exit code 1 with --check where anything was amiss.
"""

import argparse
import json
import secrets
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.chaos import faults, fuzz, soak, unit
from lab.chaos.targets import named

Result = tuple[dict[str, object], list[str]]
"""What was seen, and what was amiss."""


def main() -> None:
    """Run the chosen scenarios and print what was seen."""
    options = _parser().parse_args()
    options.chance = secrets.randbelow(10**6) if options.chance is None else options.chance
    figures: dict[str, object] = {"chance": options.chance}
    problems: list[str] = []
    for name in _chosen(options):
        figures[name], found = SCENARIOS[name](options)
        problems += found
    figures["problems"] = problems
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print("\n".join(problems) if problems else f"nothing amiss (--chance {options.chance})")
    sys.exit(1 if options.check and problems else 0)


def _chosen(options: argparse.Namespace) -> Sequence[str]:
    if options.unit:
        return ("unit",)
    return tuple(options.only.split(",")) if options.only else _USUAL


def _soak(options: argparse.Namespace) -> Result:
    seen = soak.run(minutes=options.minutes, chance=options.chance)
    held = [size for _, size in seen.memory]
    span = f"{held[0] >> 20} MB at first, {held[-1] >> 20} at last" if held else "not measured"
    print(f"soak: {seen.minutes:g} minutes, went well: {seen.done}, mishaps: {seen.mishaps}")
    print(f"soak: passed in gaps: {seen.passed}, recovered within {max(seen.recoveries, default=0):.1f} s")
    print(f"soak: memory {span}, peak {seen.peak >> 20}; the unit says {seen.state}")
    return seen.as_json(), [f"soak: {problem}" for problem in seen.problems]


def _fuzz(options: argparse.Namespace) -> Result:
    keep = options.keep or Path(tempfile.gettempdir()) / "omamori-fuzz"
    seen: dict[str, object] = {}
    problems = []
    for target in named(options.targets):
        outcome = fuzz.run(target, seconds=options.fuzz_minutes * 60, chance=options.chance, keep=keep)
        seen[target.name] = {"inputs": outcome.inputs, "seconds": outcome.seconds, "grown": outcome.grown}
        told = "failed" if outcome.problem else "well"
        print(
            f"fuzz: {target.name:15} {outcome.inputs:9} inputs, {outcome.grown >> 20} MB more: {told}",
            flush=True,
        )
        if outcome.problem:
            problems.append(f"fuzz: {target.name}: {outcome.problem}")
    return seen, problems


def _unit(options: argparse.Namespace) -> Result:
    with tempfile.TemporaryDirectory(prefix="omamori-cuts-") as place:
        seen = unit.run(
            Path(place),
            cuts=options.cuts,
            rots=options.rots,
            faults=options.faults,
            chance=options.chance,
            follow=options.follow,
        )
    lost = sum(bool(revival.problems) for revival in seen.revivals)
    print(
        f"unit: {seen.cuts} power cuts, {seen.rots} slots that rotted, {seen.faults} other faults, {lost} units that did not come through"
    )
    return seen.as_json(), [f"unit: {problem}" for problem in seen.problems]


def _faults(names: str) -> tuple[str, ...]:
    try:
        return faults.chosen(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


SCENARIOS: dict[str, Callable[[argparse.Namespace], Result]] = {"soak": _soak, "fuzz": _fuzz, "unit": _unit}
_USUAL = ("soak", "fuzz")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30, help="of the soak")
    parser.add_argument("--fuzz-minutes", type=float, default=10, help="for each target")
    parser.add_argument("--unit", action="store_true", help="cut the power of an appliance in QEMU instead")
    parser.add_argument("--cuts", type=int, default=200, help="of the power; about a minute and a half each")
    parser.add_argument("--rots", type=int, default=8, help="slots that lose bits; about five minutes each")
    parser.add_argument(
        "--follow",
        type=int,
        default=1,
        metavar="N",
        help="let every n-th unit arrive at what is wanted (default: each; 0: none); all must forward and run",
    )
    parser.add_argument(
        "--faults",
        type=_faults,
        default="all",
        metavar="NAMES",
        help=f"what else befalls a unit: all, none, or some of {','.join(faults.NAMES)}; two to ten minutes each",
    )
    parser.add_argument("--only", help=f"scenarios, separated by commas: {','.join(SCENARIOS)}")
    parser.add_argument(
        "--targets", default="", help="of hostile input, separated by commas: `stream-*,rules`"
    )
    parser.add_argument("--chance", type=int, help="seed of all chance, to see the same again")
    parser.add_argument("--keep", type=Path, help="folder for inputs that did harm")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 where anything was amiss")
    return parser


if __name__ == "__main__":
    main()
