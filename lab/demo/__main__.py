"""`python -m lab.demo [--once] [--json FILE]`: plays the product's main job; needs root."""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import uuid
from pathlib import Path
from types import FrameType

from lab.demo import artifacts
from lab.demo.cloud import Cloud
from lab.demo.office import FLEET, office
from lab.demo.report import Report
from lab.demo.steps import Demo
from lab.demo.unit import Unit
from omamori.image.state import State


def main() -> int:
    """Exit codes: 0 all shown, 1 a step failed, 2 not root, 130 interrupted."""
    chosen = _arguments()
    if os.geteuid() != 0:
        print("the demo makes network namespaces and an image: run it as root or with sudo", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    report = Report()
    try:
        with contextlib.ExitStack() as stack:
            cloud = _play(report, stack, keep=chosen.keep)
            if not chosen.once:
                _leave_open(cloud)
    except KeyboardInterrupt:
        print("\ninterrupted; everything the demo started is stopped", file=sys.stderr)
        return 130
    finally:
        if chosen.json:
            report.write(chosen.json)
    print(report.summary())
    return 0 if report.passed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="play and check every step, stop everything, exit"
    )
    parser.add_argument("--json", type=Path, help="write what was shown to this file")
    parser.add_argument("--keep", type=Path, help="keep logs and the unit's console in this folder")
    return parser.parse_args()


def _play(report: Report, stack: contextlib.ExitStack, *, keep: Path | None) -> Cloud:
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omamori-demo-")))
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        stack.callback(_save, scratch, keep)
    state = State.of().root
    report.note("building and signing what is not built yet (a first run takes some minutes)")
    made = artifacts.make(state, report.note)
    place = stack.enter_context(office(f"om{uuid.uuid4().hex[:4]}", scratch))
    cloud = Cloud(place, scratch / "state", made.repository)
    stack.callback(cloud.stop)
    claim = cloud.found(FLEET)
    unit = Unit(made.images[artifacts.FIRST].directory, place, scratch / "unit", claim, state)
    stack.enter_context(unit.guest)
    cloud.start()
    demo = Demo(report, made, place, unit, cloud, stack)
    for number, (title, step) in enumerate(demo.steps(), 1):
        if report.play(number, title, step):
            continue
        report.note(_said(unit))
        if number == 1:
            break
    return cloud


def _said(unit: Unit) -> str:
    """What the unit can tell about a failed step; its console where nobody answers."""
    with contextlib.suppress(Exception):
        return unit.said()
    return unit.guest.tail()


def _leave_open(cloud: Cloud) -> None:
    print(
        f"\nThe portal is open: {cloud.portal}  (user {cloud.user}, password {cloud.password}). Ctrl-C stops everything."
    )
    signal.pause()


def _save(scratch: Path, keep: Path) -> None:
    for path in (*scratch.glob("*.log"), *scratch.glob("*/*.log")):
        shutil.copyfile(path, keep / path.name)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
