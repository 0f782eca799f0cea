"""`python3 -m omamori.firmware.lan`: watch the LAN until told to stop."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.lan.clock import SteadyClock
from omamori.firmware.lan.errors import LanError
from omamori.firmware.lan.process import Names, Process


def main() -> int:
    """0 when stopped, 1 where a port is missing."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    paths = Paths(options.root) if options.root else from_environment()
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stops.append(received))
    names = Names(options.wan, options.lan, options.bridge)
    process = Process(names, paths, clock=SteadyClock(), spool=SpoolWriter(paths.spool("lan")))
    try:
        process.run(lambda: bool(stops))
    except LanError as error:
        print(f"omamori lan: {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="omamori.firmware.lan", description="Which hosts are behind the unit, and is it wired right."
    )
    parser.add_argument("--wan", default="wan0", help="the port on the router's side")
    parser.add_argument("--lan", default="lan0", help="the port on the hub's side")
    parser.add_argument("--bridge", default="br0", help="the bridge over both")
    parser.add_argument("--root", type=Path, help="where the unit's files are, instead of OMAMORI_ROOT or /")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
