"""`python3 -m omamori.firmware.lamp`: show the present diagnosis on the status lamp, and end."""

import argparse
import json
import sys
from pathlib import Path

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.lamp.leds import hurry, lamps, show
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import WiringCode

HELD = "held"
"""Stands in the place of a code while the button is held."""


def main() -> int:
    """Exit codes: 0 shown, or no lamp or no diagnosis; 1 a lamp that refuses."""
    parser = argparse.ArgumentParser(
        prog="omamori.firmware.lamp", description="Show the diagnosis on the status lamp."
    )
    parser.add_argument(
        "--root", type=Path, help="where the unit's files hang (default: $OMAMORI_ROOT, or /)"
    )
    root = parser.parse_args().root
    paths = Paths(root) if root else from_environment()
    code = HELD if is_held(paths) else root_cause(paths)
    if code is None:
        return 0
    refused = [str(error) for led in lamps(paths.root) if (error := _shown(led, code))]
    if not refused:
        files.write_atomic(paths.lamp, f"{code}\n".encode())
    for why in refused:
        print(f"lamp: {why}", file=sys.stderr)
    return 1 if refused else 0


def _shown(led: Path, code: WiringCode | str) -> OSError | None:
    try:
        show(led, CODES[code].lamp) if isinstance(code, WiringCode) else hurry(led)
    except OSError as error:
        return error
    return None


def is_held(paths: Paths) -> bool:
    """Whether the button is held; False where that cannot be read."""
    try:
        return files.read_capped(paths.held, cap=64).strip() == b"yes"
    except (OSError, ValueError):
        return False


def root_cause(paths: Paths) -> WiringCode | None:
    """The first finding's code; None where there is no diagnosis that can be read."""
    try:
        return WiringCode(json.loads(files.read_capped(paths.wiring))["findings"][0]["code"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


if __name__ == "__main__":
    sys.exit(main())
