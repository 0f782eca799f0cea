"""How long an image takes, by the clock: from a clean machine, again, and after a change of our own code.

    python -m lab.cold [--variant NAME] [--json FILE] [--check]

A copy of this checkout with an empty state, so that nothing on this machine shortens it but the mirrors' own speed: packages, tools, the compiled
engine and every stage are made anew. Needs root and the mirrors; some gigabytes below the temporary folder. `--check`: a rebuild after a change of a
Python file takes no more than 30 seconds (issue 4).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from omamori.image import budgets

CHANGE: Final = "after a change"
GOAL: Final = budgets.limits("seconds")[CHANGE]
CHANGED: Final = "omamori/firmware/host/system.py"
_HERE: Final = Path(__file__).parents[1]
_PATIENCE: Final = 3600.0


def main(words: list[str] | None = None) -> int:
    """Three builds. Exit codes: 0 done, 1 a goal is missed or a build failed."""
    options = _options().parse_args(words)
    with tempfile.TemporaryDirectory(prefix="omamori-cold-") as folder:
        tree, state = Path(folder, "tree"), Path(folder, "state")
        _copy(tree)
        seconds: dict[str, float] = {}
        made: dict[str, dict[str, float]] = {}
        for name in ("from nothing", "again", CHANGE):
            if name == CHANGE:
                _change(tree)
            print(f"{name} ...", file=sys.stderr, flush=True)
            began = time.monotonic()
            try:
                made = _build(tree, state, options.variant)
            except subprocess.SubprocessError as error:
                print(f"cold: {error}", file=sys.stderr)
                return 1
            seconds[name] = round(time.monotonic() - began, 1)
            print(f"{name:16} {seconds[name]:8.1f} s", flush=True)
    missed = seconds[CHANGE] > GOAL
    print(f"goal: {CHANGE} at most {GOAL:.0f} s: {'missed' if missed else 'met'}")
    for name, value in made["figures"].items():
        print(f"{name:16} {value:8g} of {made['budgets'].get(name, 0):g}")
    if options.json:
        figures = {"variant": options.variant, "seconds": seconds, **{name: made[name] for name in ("figures", "budgets")}}  # fmt: skip
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if missed and options.check else 0


def _copy(tree: Path) -> None:
    """What git knows of this checkout, as it lies here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_HERE, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (_HERE / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_HERE / name, tree / name)


def _change(tree: Path) -> None:
    with (tree / CHANGED).open("a", encoding="utf-8") as file:
        file.write("\n_COLD = 1\n")


def _build(tree: Path, state: Path, variant: str) -> dict[str, dict[str, float]]:
    """The image's manifest. Raises SubprocessError."""
    command = [sys.executable, "-m", "omamori", "image", "build", "--variant", variant, "--json"]
    place = {"PYTHONPATH": str(tree), "OMAMORI_STATE": str(state), "PIP_NO_CACHE_DIR": "1"}
    done = subprocess.run(command, cwd=tree, env={**os.environ, **place}, check=True, stdout=subprocess.PIPE, timeout=_PATIENCE)  # fmt: skip
    made: dict[str, dict[str, float]] = json.loads(done.stdout)
    return made


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab.cold", description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="test", help="which recipe (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit non-zero where the goal is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
