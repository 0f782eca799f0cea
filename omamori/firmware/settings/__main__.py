"""`python3 -m omamori.firmware.settings {apply,restore}`: see one order through, or put in force what was kept."""

import argparse
import logging
import os
import sys
from pathlib import Path

from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.settings.trial import GRACE, PATIENCE, Trial, Waits


def main() -> int:
    """Exit codes: 0 done, whatever the outcome; 1 the disk or the network service refuses."""
    options = _options()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    paths = Paths(options.root) if options.root else from_environment()
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    claim = Path(directory) / "omamori.claim" if directory else paths.claim
    trial = Trial(paths, claim, waits=Waits(options.patience, options.grace))
    try:
        trial.work() if options.command == "apply" else trial.restore()
    except (OSError, ValueError) as error:
        print(f"settings: {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="omamori.firmware.settings", description="Try what was changed on the unit's page."
    )
    parser.add_argument("command", choices=("apply", "restore"))
    parser.add_argument(
        "--root", type=Path, help="where the unit's files hang (default: $OMAMORI_ROOT, or /)"
    )
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="seconds to reach the fleet (default: %(default)g)"
    )
    parser.add_argument(
        "--grace", type=float, default=GRACE, help="seconds before anything changes (default: %(default)g)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
