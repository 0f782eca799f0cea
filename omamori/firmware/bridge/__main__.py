"""`python3 -m omamori.firmware.bridge`: the entry point of the data path."""

import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from omamori.firmware.bridge.nursery import Loaded
from omamori.firmware.bridge.scanning import ScanWatch, Unseen
from omamori.firmware.bridge.supervisor import Supervisor
from omamori.firmware.bridge.wiring import Timing, Wiring
from omamori.firmware.host.firewall import FirewallError, choose, prepare_bridge
from omamori.firmware.host.link import examine
from omamori.firmware.host.pace import slowness
from omamori.firmware.host.paths import Paths

_LOG_GROUP = 61
"""The kernel's log group for handshakes; the first queue number is added, so that several may run in one namespace."""
MOST_WORKERS = 4
"""More would be idle: four inspect several times what the two ports carry."""


@click.command()
@click.option(
    "--root", type=click.Path(path_type=Path), envvar="OMAMORI_ROOT", default=Path("/"), show_default=True
)
@click.option("--bridge", default="br0", show_default=True)
@click.option("--wan", default="wan0", show_default=True, help="Bridge port on the router's side.")
@click.option("--lan", default="lan0", show_default=True, help="Bridge port on the hub's side.")
@click.option("--first-queue", default=0, show_default=True, help="First of the queue numbers to use.")
@click.option(
    "--queues",
    type=click.IntRange(1, MOST_WORKERS),
    default=None,
    help="Workers; each has its scan and its suspect queue. [default: processors, at most 4]",
)
@click.option(
    "--flows",
    type=click.IntRange(min=100),
    default=16_000,
    show_default=True,
    help="Remembered by all workers together.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=16),
    default=160,
    show_default=True,
    help="Megabytes for flows, all workers together.",
)
def main(
    root: Path, bridge: str, wan: str, lan: str, first_queue: int, queues: int | None, flows: int, memory: int
) -> None:
    """Inspect what crosses the bridge, until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        ports = socket.if_nametoindex(lan), socket.if_nametoindex(wan)
        workers = queues or min(MOST_WORKERS, len(os.sched_getaffinity(0)))
        slow = slowness()
        wiring = Wiring(bridge, wan, lan, *ports, first_queue, workers, slow, memory << 20)
        prepare_bridge()
        found = examine(bridge, (lan, wan))
        supervisor = Supervisor(
            Paths(root),
            wiring,
            partial(load, Paths(root), flows // workers),
            choose(),
            patient(slow),
            link=found,
            beside=scans(wiring, first_queue),
        )
    except (OSError, FirewallError) as error:
        logging.getLogger(__name__).error("the data path cannot be inspected: %s", error)  # noqa: TRY400 - one line
        sys.exit(os.EX_OSERR)
    preload()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    supervisor.run()


def scans(wiring: Wiring, first_queue: int) -> ScanWatch | Unseen:
    """Where the kernel cannot copy handshakes, that is said and nothing else."""
    try:
        return ScanWatch(wiring, _LOG_GROUP + first_queue)
    except OSError as error:
        logging.getLogger(__name__).warning("scans are not seen: %s", error)
        return Unseen(error)


def patient(slow: float) -> Timing:
    """The usual times, longer on a slow machine."""
    usual = Timing()
    return replace(usual, silence=usual.silence * slow, starved=usual.starved * slow)


def load(paths: Paths, flows: int, path: Path) -> Loaded:
    """Runs in the nursery: the supervisor never makes an engine."""
    from omamori.firmware.bridge import inspection

    return inspection.load(path, paths, flows)


def preload() -> None:
    """Code that every nursery and worker needs is loaded once and shared by all: during a swap there are six of them."""
    with contextlib.suppress(ImportError):  # the nursery says what is missing
        importlib.import_module("omamori.firmware.bridge.inspection")
        importlib.import_module("omamori.firmware.signatures.pack")
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
