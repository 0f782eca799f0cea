"""`python3 -m omamori.firmware.page`: serve on systemd's socket until nobody comes, or until SIGTERM."""

import argparse
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from omamori.firmware.host import system
from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.page.application import Application
from omamori.firmware.page.server import LIMITS, Limits, Server

_FIRST_SOCKET = 3
"""sd_listen_fds(3)."""


def main() -> int:
    """Exit codes: 0 told to stop or nobody came, 1 cannot listen."""
    options = _options()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    paths = Paths(options.root) if options.root else from_environment()
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: told.append(received))
    try:
        listener = _listener(options.listen)
    except (OSError, ValueError) as error:
        print(f"page: cannot listen: {error}", file=sys.stderr)
        return 1
    limits = Limits(idle=options.idle)
    with listener:
        server = Server(listener, Application(paths).answer, limits)
        system.notify("READY=1")
        server.serve(lambda: bool(told))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="omamori.firmware.page", description="The unit's own page, towards its LAN side."
    )
    parser.add_argument(
        "--root", type=Path, help="where the unit's files hang (default: $OMAMORI_ROOT, or /)"
    )
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help="instead of the socket that systemd passes")
    parser.add_argument(
        "--idle",
        type=float,
        default=LIMITS.idle,
        metavar="SECONDS",
        help="end when nobody has come for so long (default: %(default)g)",
    )
    return parser.parse_args()


def _listener(listen: str | None) -> socket.socket:
    """Raises OSError, ValueError."""
    if listen:
        host, _, port = listen.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        place = (host.strip("[]"), int(port))
        return socket.create_server(place, family=family, backlog=32, dualstack_ipv6=place[0] == "::")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        raise ValueError("systemd passed no socket; give --listen")
    return socket.socket(fileno=_FIRST_SOCKET)


if __name__ == "__main__":
    sys.exit(main())
