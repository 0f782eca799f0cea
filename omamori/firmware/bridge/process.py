"""The data path's process: everything is made and tied together here, once it is settled how the engine runs (`__main__.py`)."""

import contextlib
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from omamori.firmware.bridge.compiled import Trust, in_use
from omamori.firmware.bridge.form import Form
from omamori.firmware.bridge.nursery import Load, Loaded
from omamori.firmware.bridge.scanning import ScanWatch, Unseen
from omamori.firmware.bridge.supervisor import Supervisor
from omamori.firmware.bridge.wiring import Timing, Wiring
from omamori.firmware.host import wrapped
from omamori.firmware.host.firewall import FirewallError, choose, prepare_bridge
from omamori.firmware.host.link import examine
from omamori.firmware.host.pace import slowness
from omamori.firmware.host.paths import Paths

_LOG_GROUP = 61
"""The kernel's log group for handshakes; the first queue number is added, so that several may run in one namespace."""


@dataclass(frozen=True, slots=True)
class Place:
    """The bridge, its two ports by name, and which queues are whose."""

    bridge: str
    wan: str
    lan: str
    first_queue: int
    workers: int


def run(paths: Paths, place: Place, *, flows: int, memory: int, pure: str) -> None:
    """Inspect until SIGTERM. `pure`: why compiled modules are not used, where somebody should know."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    share = flows // place.workers
    afresh = (sys.executable, "-m", "omamori.firmware.bridge.afresh", str(paths.root), str(share))
    form = Form(afresh, Trust(paths), compiled=in_use(), why=pure)
    try:
        supervisor = _supervisor(paths, place, partial(load, paths, share), memory, form)
        preload()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        supervisor.run()
    finally:
        form.ended()


def processors(most: int) -> int:
    """That this process may use."""
    return min(most, len(os.sched_getaffinity(0)))


def _supervisor(paths: Paths, place: Place, load: Load, memory: int, form: Form) -> Supervisor:
    """Ends the process where there is nothing to inspect, or no means."""
    try:
        return _made(paths, place, load, memory, form)
    except (OSError, FirewallError) as error:
        logging.getLogger(__name__).error("the data path cannot be inspected: %s", error)  # noqa: TRY400 - one line
        sys.exit(os.EX_OSERR)


def _made(paths: Paths, place: Place, load: Load, memory: int, form: Form) -> Supervisor:
    """Raises OSError, FirewallError."""
    ports = socket.if_nametoindex(place.lan), socket.if_nametoindex(place.wan)
    slow = slowness()
    wiring = Wiring(
        place.bridge, place.wan, place.lan, *ports, place.first_queue, place.workers, slow, memory
    )
    prepare_bridge()
    return Supervisor(
        paths,
        wiring,
        load,
        choose(),
        patient(slow),
        link=(*examine(place.bridge, (place.lan, place.wan)), *filter(None, [wrapped.begin()])),
        beside=scans(wiring, place.first_queue),
        form=form,
    )


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
