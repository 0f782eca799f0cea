"""`python3 -m omamori.firmware.update {run,apply,health,committed}`: exit code 0 done, 1 failed (reason in the log), 75 another run is under way."""

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omamori.firmware.host import system
from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.update import restarting
from omamori.firmware.update.errors import Busy, UpdateError
from omamori.firmware.update.orders import Newest, Plugged
from omamori.firmware.update.report import Memory
from omamori.firmware.update.slots import SlotDisk
from omamori.firmware.update.updater import Updater
from omamori.firmware.update.world import Patience, World
from omamori.protocol.errors import ProtocolError
from omamori.protocol.version import Version

if TYPE_CHECKING:
    from omamori.firmware.update.trust import Trust


def main() -> int:
    options = _parser().parse_args()
    paths = Paths(options.root) if options.root else from_environment()
    if options.command == "run":
        # systemd ends it after half an hour; what it has cost by then is still to be counted.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        updater = Updater(real_world(paths, Patience(gate=options.patience), origin=options.origin))
        done = {
            "run": lambda: updater.run(by_hand=_by_hand(options)),
            "apply": updater.apply,
            "health": updater.health,
            "committed": updater.committed,
        }[options.command]()
    except SystemExit:
        said = "ended before it was done: what was fetched stays, and the next run goes on with it"
        Memory(paths, lambda: datetime.now(UTC)).say("warning", said)
        raise
    except (UpdateError, OSError, ProtocolError) as error:
        print(f"omamori update {options.command}: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL if isinstance(error, Busy) else 1
    return 0 if done else 1


def _by_hand(options: argparse.Namespace) -> Version | Newest | None:
    """Raises VersionError."""
    if options.version:
        return Version.parse(options.version)
    if options.plugged:
        return Plugged()
    return Newest() if options.origin else None


def real_world(paths: Paths, patience: Patience, *, origin: str = "") -> World:
    """The unit itself. Raises OSError."""
    return World(
        paths=paths,
        disk=SlotDisk(paths, system.running_slot(paths)),
        trust=lambda: _connect(paths, origin),
        now=lambda: datetime.now(UTC),
        agreed=lambda floor: _agreed(paths, floor),
        set_clock=_set_clock,
        sleep=time.sleep,
        reboot=restarting.reboot,
        soft_reboot=restarting.soft_reboot,
        patience=patience,
    )


def _connect(paths: Paths, origin: str) -> "Trust":
    """Imported here: only `run` fetches, and the other commands keep a boot waiting."""
    from omamori.firmware.update.connection import connect

    return connect(paths, origin=origin)


def _agreed(paths: Paths, floor: datetime | None) -> datetime | None:
    """Imported here for the same reason."""
    from omamori.firmware.update import clock
    from omamori.firmware.update.connection import fleet_server

    return clock.agreed(paths, fleet_server(paths), floor)


def _set_clock(right: datetime) -> None:
    """Raises OSError."""
    time.clock_settime(time.CLOCK_REALTIME, right.timestamp())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m omamori.firmware.update", description=__doc__)
    parser.add_argument("command", choices=("run", "apply", "health", "committed"))
    parser.add_argument("--root", type=Path, help="the unit's root directory (default: $OMAMORI_ROOT or /)")
    parser.add_argument(
        "--from",
        dest="origin",
        default="",
        metavar="DIR|URL",
        help="a mirror or a mounted stick in the fleet's place; trusted as little",
    )
    parser.add_argument(
        "--plugged",
        action="store_true",
        help="run: nobody ordered it but the stick: what is not newer or was given up is passed over",
    )
    parser.add_argument(
        "--version", default="", help="run: order this version here (default with --from: the newest)"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=Patience().gate,
        metavar="SECONDS",
        help="how long a trial may take to become healthy (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
