"""One helper's stream: between the relay's TLS and an SSH server's standard input, with the server's own words told on."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from omamori.firmware.support.door import Door
from omamori.protocol.vocabulary import SupportPhase

PIECE: Final = 64 * 1024
_ACCEPTED: Final = "Accepted publickey for "
_GRACE: Final = 3.0
"""Seconds a server and its shells have to end by themselves."""


class Visit:
    """`run` returns when either end closes; cancelling it ends the server and everything it started."""

    def __init__(self, door: Door, say: Callable[[SupportPhase], None]) -> None:
        self._door, self._say = door, say
        self._entered = False

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Raises OSError where the server cannot be started."""
        ours, theirs = socket.socketpair()
        with theirs:
            server = await asyncio.create_subprocess_exec(
                *self._door.command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
                env=self._door.environment,
                start_new_session=True,
            )
        ours.setblocking(False)
        inner_reader, inner_writer = await asyncio.open_connection(sock=ours)
        try:
            await _first(
                _copy(reader, inner_writer), _copy(inner_reader, writer), self._listen(server.stderr)
            )
        finally:
            inner_writer.close()
            try:
                await _ended(server)
            finally:
                if self._entered:
                    self._say(SupportPhase.LEFT)

    async def _listen(self, stream: asyncio.StreamReader | None) -> None:
        """Into the journal, and once to the fleet: that the key was accepted."""
        if stream is None:
            return
        with contextlib.suppress(ValueError):  # a line without end: it listens no more
            while line := await stream.readline():
                text = line.decode("utf-8", "replace").strip()
                print(f"sshd: {text[:400]}", file=sys.stderr, flush=True)
                if text.startswith(_ACCEPTED) and not self._entered:
                    self._entered = True
                    self._say(SupportPhase.ENTERED)
        await asyncio.Event().wait()


async def _first(*work: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


async def _ended(server: asyncio.subprocess.Process) -> None:
    """It ends with its stream; what is left of its session does not outlive it. Cancelled, it waits no longer for that."""
    try:
        async with asyncio.timeout(_GRACE):
            await server.wait()
    except TimeoutError:
        pass
    finally:
        if server.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            await server.wait()
