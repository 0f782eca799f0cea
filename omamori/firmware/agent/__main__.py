"""`python3 -m omamori.firmware.agent`: the agent process, until SIGTERM."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from omamori.firmware.agent.process import Agent, claim_path
from omamori.firmware.host.paths import Paths, from_environment
from omamori.protocol import ProtocolError


def main() -> int:
    """Exit codes: 0 told to stop, 1 cannot run here."""
    parser = argparse.ArgumentParser(
        prog="omamori.firmware.agent", description="The unit's session with its fleet."
    )
    parser.add_argument(
        "--root", type=Path, help="where the unit's files hang (default: $OMAMORI_ROOT, or /)"
    )
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    paths = Paths(arguments.root) if arguments.root else from_environment()
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: told.append(received))
    try:
        Agent(paths, claim_path(paths), stopping=lambda: bool(told)).run()
    except (OSError, ProtocolError) as error:
        print(f"agent: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
