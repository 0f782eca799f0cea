"""`python3 -m omamori.firmware.support`: open while the grant holds; exit code 0 when it is over, 1 where it cannot open."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from omamori.firmware.host import files, grant, sandbox, system
from omamori.firmware.host.grant import Grant
from omamori.firmware.host.paths import Paths, from_environment
from omamori.firmware.host.spool import SpoolWriter
from omamori.firmware.support.door import SSHD, Door
from omamori.firmware.support.relay import calls
from omamori.firmware.support.visit import Visit
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Support, Want
from omamori.protocol.vocabulary import SupportPhase

LANES: Final = 2
"""Streams at a time: a helper, and the same one again before the first is known to be gone."""
LOOK: Final = 1.0


class Process:
    """`run` returns when the grant is over, and why."""

    def __init__(self, paths: Paths, door: Door) -> None:
        self._paths, self._door = paths, door
        self._boot = system.running_boot(paths)
        self._held = grant.read(paths.support_grant)

    async def run(self) -> str:
        """Raises OSError."""
        if why := self._over():
            return why
        self._door.prepare(self._held)
        lanes = [self._lane() for _ in range(LANES)]
        watching = asyncio.create_task(self._watch())
        try:
            await _until(watching, lanes)
            return watching.result()
        finally:
            self._door.remove()

    async def _lane(self) -> None:
        async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await Visit(self._door, self._say).run(reader, writer)

        await calls(self._held, visited)

    async def _watch(self) -> str:
        while True:
            if why := self._over():
                return why
            await asyncio.sleep(LOOK)

    def _over(self) -> str:
        """Empty while the same grant is there and holds, and the fleet still asks."""
        try:
            found = grant.read(self._paths.support_grant)
        except (OSError, ProtocolError):
            return "taken away"
        if _same(found) != _same(self._held):
            return "another support key is in its place"
        return grant.over(found, self._boot, grant.since_boot()) or self._ended()

    def _ended(self) -> str:
        """The fleet's order to close counts at once, before anybody has looked at signatures."""
        try:
            asked = wire.from_wire(Want, wire.load(files.read_capped(self._paths.want))).support
        except (OSError, ProtocolError):  # it is replaced whole: a unit that was erased has none
            return "what the fleet asks cannot be read"
        return "" if asked and asked.id == self._held.call else "the fleet asks no longer"

    def _say(self, phase: SupportPhase) -> None:
        held = self._held
        said = Support(datetime.now(UTC), held.call, phase, held.who, held.why, held.since, held.until)
        print(f"support {phase}: {held.who}", file=sys.stderr, flush=True)
        spool = SpoolWriter(self._paths.spool("support"))
        spool.put(said)
        spool.close()


def _same(held: Grant) -> tuple[object, ...]:
    return held.call, held.key, held.until, held.host_key


async def _until(watching: "asyncio.Task[str]", lanes: list[Coroutine[Any, Any, None]]) -> None:
    """Everything ends with the watch."""
    tasks: list[asyncio.Task[Any]] = [watching, *(asyncio.create_task(lane) for lane in lanes)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _told(process: Process) -> str:
    """SIGTERM and Ctrl-C end it."""
    task = asyncio.ensure_future(process.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        return await task
    return "told to stop"


def main() -> int:
    """Exit codes: 0 over, 1 cannot open."""
    options = _options()
    paths = Paths(options.root) if options.root else from_environment()
    folder = options.folder or Path(os.environ.get("RUNTIME_DIRECTORY") or "/run/omamori-support")
    began = time.monotonic()
    try:
        sandbox.private()
        why = asyncio.run(_told(Process(paths, Door(folder, options.sshd))))
    except (OSError, ProtocolError) as error:
        print(f"support: cannot open: {error}", file=sys.stderr)
        return 1
    print(f"support: over after {time.monotonic() - began:.0f} s: {why}", file=sys.stderr)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="omamori.firmware.support", description=__doc__)
    parser.add_argument(
        "--root", type=Path, help="where the unit's files hang (default: $OMAMORI_ROOT, or /)"
    )
    parser.add_argument("--folder", type=Path, help="the server's own files (default: $RUNTIME_DIRECTORY)")
    parser.add_argument("--sshd", default=SSHD, metavar="FILE", help="the server (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
