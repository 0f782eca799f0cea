"""Where a helper and a unit meet: two byte streams joined, and nothing read of what they say (it is SSH, end to end).

A unit with a valid support key calls on TLS, shows the ticket of its call in one line and waits; it hears `wait` twice a
minute, and `go` when a helper is there. A helper comes by a Unix socket that only this fleet's own user may open, and
names the unit in one line. Everything is bounded: connections, bytes of a line, seconds of a handshake and of silence.
What the database no longer knows as a live call is cut off within seconds.
"""

import asyncio
import contextlib
import json
import logging
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

LINE_CAP: Final = 512
PIECE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the relay takes on. Seconds."""

    connections: int = 400
    """Of units, waiting or not."""
    of_one_unit: int = 4
    hello: float = 15.0
    wait: float = 25.0
    """Between two `wait` lines: routers forget a silent connection after minutes."""
    look: float = 2.0
    """How often a call is looked up."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The database as the relay needs it; both are called in a thread. Both raise OSError where it cannot be asked."""

    proven: Callable[[str, str], bool]
    """Unit, ticket."""
    live: Callable[[str], str]
    """The id of the unit's call that holds, or an empty string."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One connection of a unit."""

    unit: str
    call: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    taken: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def gone(self) -> bool:
        """The unit hung up while it waited."""
        return not self.taken and (self.reader.at_eof() or self.writer.is_closing())


class Relay:
    """`async with Relay(...)`: both doors are open inside."""

    def __init__(self, calls: Calls, limits: Limits | None = None) -> None:
        self._calls, self._limits = calls, limits or Limits()
        self._lanes: list[_Lane] = []
        self._strangers = 0

    async def serve(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        socket: Path,
        *,
        ready: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Until cancelled; `ready` is told the port for units. Raises OSError where it cannot listen."""
        units = await asyncio.start_server(
            self._unit,
            host,
            port,
            ssl=context,
            limit=PIECE,
            ssl_handshake_timeout=self._limits.hello,
            ssl_shutdown_timeout=2.0,
        )
        before = os.umask(0o177)
        try:
            helpers = await asyncio.start_unix_server(self._helper, socket, limit=PIECE)
        finally:
            os.umask(before)
        ready(units.sockets[0].getsockname()[1])
        async with units, helpers:
            try:
                await self._keep()
            finally:
                for lane in self._lanes:
                    lane.done.set()

    # --- units --------------------------------------------------------------------------------------------------

    async def _unit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _closing(writer):
            if len(self._lanes) + self._strangers >= self._limits.connections:
                return
            self._strangers += 1
            try:
                lane = await self._introduced(reader, writer)
            finally:
                self._strangers -= 1
            if lane is None:
                return
            self._lanes.append(lane)
            try:
                await lane.done.wait()
            finally:
                self._lanes.remove(lane)

    async def _introduced(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Lane | None:
        """None for whoever shows no ticket of a call that holds."""
        said = await _line(reader, self._limits.hello)
        unit, ticket = said.get("unit"), said.get("ticket")
        if not isinstance(unit, str) or not isinstance(ticket, str):
            return None
        try:
            proven = await asyncio.to_thread(self._calls.proven, unit, ticket)
            call = await asyncio.to_thread(self._calls.live, unit) if proven else ""
        except OSError as error:
            log.warning("%s is sent away: %s", unit, error)
            return None
        if not call or sum(lane.unit == unit for lane in self._lanes) >= self._limits.of_one_unit:
            return None
        return _Lane(unit, call, reader, writer)

    async def _keep(self) -> None:
        """Cut off what holds no longer; keep the others' connections alive."""
        told = time.monotonic()
        while True:
            await asyncio.sleep(self._limits.look)
            for unit in {lane.unit for lane in self._lanes}:
                try:
                    self._cut(unit, await asyncio.to_thread(self._calls.live, unit))
                except OSError as error:  # the unit knows its end by itself
                    log.warning("%s is not looked up: %s", unit, error)
            if time.monotonic() - told >= self._limits.wait:
                told = time.monotonic()
                for lane in self._lanes:
                    if not lane.taken:
                        _say(lane, b"wait\n")

    def _cut(self, unit: str, call: str) -> None:
        """End what is not of the call that holds, and what hung up."""
        for lane in self._lanes:
            if lane.unit == unit and (lane.gone() or lane.call != call):
                log.info("%s: over", unit)
                lane.done.set()

    # --- helpers ------------------------------------------------------------------------------------------------

    async def _helper(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with _closing(writer):
            unit = (await _line(reader, self._limits.hello)).get("unit")
            lane = next(
                (each for each in self._lanes if each.unit == unit and not each.taken and not each.gone()),
                None,
            )
            if lane is None:
                writer.write(b"no\n")
                with contextlib.suppress(OSError):
                    await writer.drain()
                return
            lane.taken = True
            log.info("%s: a helper is here", lane.unit)
            writer.write(b"go\n")
            _say(lane, b"go\n")
            await self._join(lane, reader, writer)

    async def _join(self, lane: _Lane, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either end closes, or the call is over."""
        ends = [
            asyncio.create_task(_copy(lane.reader, writer)),
            asyncio.create_task(_copy(reader, lane.writer)),
            asyncio.create_task(lane.done.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            lane.done.set()
            log.info("%s: the helper has left", lane.unit)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


async def _line(reader: asyncio.StreamReader, patience: float) -> dict[str, object]:
    """One line of JSON, an object; an empty one for anything else."""
    try:
        raw = await _within(reader.readline(), patience)
        value = json.loads(raw) if len(raw) <= LINE_CAP else {}
    except (ValueError, OSError, TimeoutError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


async def _within(work: Awaitable[bytes], patience: float) -> bytes:
    async with asyncio.timeout(patience):
        return await work


def _say(lane: _Lane, line: bytes) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        lane.writer.write(line)


@contextlib.contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Whatever happens, the connection ends, and what was said before is sent."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()
