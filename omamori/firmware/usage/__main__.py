"""`python3 -m omamori.firmware.usage`: sum up what the hosts use, until told to stop."""

import argparse
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.usage.naming import library
from omamori.firmware.usage.process import Process, Rhythm, Wiring


def main() -> int:
    """0 when stopped, 71 where a port is missing."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    paths = Paths(options.root) if options.root else from_environment()
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stops.append(received))
    try:
        wiring = Wiring(options.bridge, socket.if_nametoindex(options.wan), options.group)
    except OSError as error:
        print(f"omamori usage: {options.wan}: {error}", file=sys.stderr)
        return os.EX_OSERR
    rhythm = Rhythm(period=options.period, survey=min(60.0, options.period / 2))
    Process(paths, wiring, SpoolWriter(paths.spool("usage")), library, rhythm=rhythm).run(lambda: bool(stops))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="omamori.firmware.usage", description="Which host uses what, in hourly sums."
    )
    parser.add_argument("--wan", default="wan0", help="the bridge port on the router's side")
    parser.add_argument("--bridge", default="br0", help="the bridge over both ports")
    parser.add_argument("--group", type=int, default=17, help="the kernel's log group to use")
    parser.add_argument("--period", type=int, default=3600, help="seconds that are summed up together")
    parser.add_argument("--root", type=Path, help="where the unit's files are, instead of OMAMORI_ROOT or /")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
