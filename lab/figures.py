"""What a unit costs and how long it is away, measured on one in QEMU: its start, its memory, an update without and one with a restart.

    python -m lab.figures [--json FILE] [--check]

Goals are those of issue 4. Times of the start are the guest's own; an emulated processor says little about a box. With `OMAMORI_CORPUS` memory is
measured with all its rules in force, too. What was seen last is kept in the engineer's state and shown beside each image (`omamori image show`).
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from lab.appliance import BuildFailed, Factory, Site, omamori, unit_between
from lab.guest import GuestError
from lab.watched import Seen, Watched, watched
from omamori.image import budgets
from omamori.image.build import Image
from omamori.image.state import State

PROCESSES: Final = frozenset({"bridge", "lan", "agent", "usage", "page", "update"})
"""Ours that a unit may have at one time for longer than a second."""
FIRST, SOFT, HARD = "12.0.0", "12.0.1", "12.0.2"
STARTS: Final = 5
LADEN: Final = "2.0.0"
GOALS: Final = budgets.limits("running")
_NOTES: Final = {
    "ja": "検査の修正",
    "en": "Inspection mended",
    "severity": "routine",
    "restart": {"needed": False, "seconds": 0},
}
_PROPORTIONAL: Final = (
    "cd /sys/fs/cgroup/system.slice; for unit in omamori-*.service; do for p in $(cat $unit/cgroup.procs);"
    " do echo $unit $(grep ^Pss: /proc/$p/smaps_rollup); done; done 2>/dev/null"
)


def main(words: list[str] | None = None) -> int:
    """Exit code 1 where the unit could not be measured, and with --check where a goal is missed."""
    options = _options().parse_args(words)
    try:
        with tempfile.TemporaryDirectory(prefix="omamori-figures-") as folder:
            figures = measure(Path(folder))
    except (BuildFailed, GuestError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 1
    over = budgets.exceeded(GOALS, figures)
    for name, value in figures.items():
        goal = GOALS.get(name)
        judged = "" if goal is None else f"  goal {goal:g}: {'missed' if name in over else 'met'}"
        print(f"{name:20} {value:8.2f}{judged}")
    text = (
        json.dumps(
            {"time": datetime.now(UTC).isoformat(timespec="seconds"), "version": FIRST, "figures": figures},
            indent=1,
        )
        + "\n"
    )
    State.of().measured.write_text(text, encoding="utf-8")
    if options.json:
        options.json.write_text(text, encoding="utf-8")
    for name in over:
        print(f"missed: {name}, {GOALS[name]:g} at most", file=sys.stderr)
    return 1 if over and options.check else 0


def measure(folder: Path) -> dict[str, float]:
    """Seconds, MiB and counts by name. Raises BuildFailed, GuestError."""
    corpus = os.environ.get("OMAMORI_CORPUS")
    (folder / "factory").mkdir()
    factory = Factory.found(folder / "factory")
    first, published = _versions(factory, Path(corpus, "rules") if corpus else None)
    _say(f"{FIRST} starts")
    with unit_between(first, folder / "guest") as site, site.serving(published):
        figures = _start(site)
        most = _peak(site)
        with watched(site, folder) as office:
            for name, version in (("soft", SOFT), ("hard", HARD)):
                seen = _updated(site, office, version, most)
                figures |= {f"{name}: pings lost": seen.lost, f"{name}: gap": seen.ping_gap}
                figures |= {f"{name}: stream's gap": seen.stream_gap, f"{name}: streams cut": float(seen.cut)}
        figures |= {f"memory, {name}": value for name, value in _in_mib(most).items()}
        if corpus:
            _say("all rules of the corpus")
            site.want(HARD, pack=LADEN, generation=3)
            site.guest.wait(lambda: _guards(site), seconds=400, what="all rules in force", pause=2)
            figures["memory, all rules"] = peak(site)["total"]
    return figures


def peak(site: Site) -> dict[str, float]:
    """The most MiB of each of `PROCESSES` while the page is there for a visitor and the updater looks for something new. Raises GuestError."""
    return _in_mib(_peak(site))


def _peak(site: Site) -> Counter[str]:
    site.guest.ssh("systemctl start omamori-page; systemctl start --no-block omamori-update")
    most: Counter[str] = Counter()
    while site.guest.ssh("systemctl is-active omamori-update", check=False).strip() == "activating":
        most |= _memory(site)
    if absent := PROCESSES - set(most):
        raise GuestError(f"not to be seen: {', '.join(sorted(absent))}")
    return most


def _memory(site: Site) -> Counter[str]:
    """KiB of each service of ours that runs, with its children; pages that they share count once."""
    found: Counter[str] = Counter()
    for line in site.guest.ssh(_PROPORTIONAL).splitlines():
        unit, *words = line.split()
        if len(words) == 3:
            found[unit.removeprefix("omamori-").removesuffix(".service")] += int(words[1])
    return found


def _in_mib(most: Counter[str]) -> dict[str, float]:
    """Each, and the total."""
    found = {name: round(size / 1024, 1) for name, size in most.items()}
    return {**found, "total": round(sum(found.values()), 1)}


def _versions(factory: Factory, rules: Path | None) -> tuple[Image, Path]:
    """The first one, and what is published: two newer ones, of which one needs no restart, and a pack with all rules."""
    notes, packs = factory.place / "notes.json", []
    notes.write_text(json.dumps(_NOTES), encoding="utf-8")
    for version in (SOFT, HARD):
        _say(f"image {version}")
        words = ("--notes", notes) if version == SOFT else ()
        factory.sign("add-firmware", factory.image(version).bundle, *words, "--replace")
    if rules:
        packs.append(factory.place / "laden.pack")
        omamori("engine", "pack", "build", "--version", LADEN, "--rules", rules, "-o", packs[0])
    _say(f"image {FIRST}")
    return factory.image(FIRST), factory.publish(packs=tuple(packs))


def _settled(site: Site) -> None:
    """Once nothing is being started any more. Raises GuestError."""
    idle = lambda: "No jobs" in site.guest.ssh("systemctl list-jobs --no-pager", check=False)  # noqa: E731
    site.guest.wait(idle, seconds=200, what="the start to be over", pause=2)


def _start(site: Site) -> dict[str, float]:
    """From the kernel's first moment, by the guest's clock: medians, the first start among them. Raises GuestError."""
    seen = []
    for number in range(STARTS):
        if number:
            _say(f"start {number + 1} of {STARTS}")
            site.guest.power_cycle()
        _settled(site)
        seen.append(_one_start(site))
    _say("forwarding after " + ", ".join(f"{start['forwarding']:.2f} s" for start in seen))
    return {name: median(start[name] for start in seen) for name in seen[0]}


def _one_start(site: Site) -> dict[str, float]:
    told = site.guest.ssh("dmesg")  # the journal has its own time for what was said before it ran
    lines = re.findall(r"\[ *([0-9.]+)\].*port \d\((\w+)\) entered forwarding state", told)
    began = {port: float(at) for at, port in reversed(lines)}
    engine = site.guest.ssh("systemctl show omamori-bridge -p ActiveEnterTimestampMonotonic --value")
    return {"forwarding": max(began["wan0"], began["lan0"]), "engine ready": int(engine) / 1e6}


def _updated(site: Site, office: Watched, version: str, most: Counter[str]) -> Seen:
    """What the office saw from the order to the commit; in `most` the memory while it was staged. Raises GuestError."""

    def staged() -> bool:
        most.update(_memory(site) - most)  # the greater of both
        return site.in_phase(version, "staged")

    _say(f"update to {version}")
    site.want(version, generation=int(version[-1]))
    site.guest.wait(staged, seconds=400, what=f"{version} staged", pause=2)
    since = time.time()
    site.apply_now()
    done = lambda: site.in_phase(version, "committed")  # noqa: E731
    site.guest.wait(done, seconds=500, what=f"{version} committed", pause=2)
    office.wait_for_an_answer()
    return office.seen(since)


def _guards(site: Site) -> bool:
    """By what the bridge that runs says: with all rules, through every worker."""
    text = site.guest.ssh("cat /run/omamori/bridge/status.json", check=False)
    said = json.loads(text) if text else {}
    return (said.get("pack"), said.get("self_test")) == (LADEN, "passed")


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.figures", description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
