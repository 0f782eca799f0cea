"""The unit's calls to the relay: TLS out, by the proxy where one is set; a line in, lines back, and then a stream.

Whoever is at the relay is believed to be the fleet by its certificate, and gets nothing for it but a stream to an SSH
server that believes one key.
"""

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Final

from omamori.firmware.host import tunnel
from omamori.firmware.host.grant import Grant
from omamori.firmware.host.settings import Proxy
from omamori.protocol.backoff import full_jitter

PATIENCE: Final = 15.0
SILENCE: Final = 90.0
"""Seconds without a word from the relay: it is gone, or the router forgot us."""
_WORD_CAP: Final = 64
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def calls(
    grant: Grant,
    visited: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    """Call, wait, hand a helper's stream to `visited`, call again; for ever."""
    failures = 0
    while True:
        try:
            async with _called(grant) as (reader, writer):
                if await _helper_came(reader):
                    failures = 0
                    await visited(reader, writer)
                    continue
        except (OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            print(f"relay: {error!r}"[:300], flush=True)
        failures += 1
        most = full_jitter(
            failures,
            random.random(),  # noqa: S311 - spreads units, hides nothing
            first=timedelta(seconds=1),
            most=timedelta(seconds=30),
        )
        await asyncio.sleep(max(0.2, most.total_seconds()))


async def _helper_came(reader: asyncio.StreamReader) -> bool:
    """False where the relay sends us away."""
    while True:
        async with asyncio.timeout(SILENCE):
            word = await reader.readline()
        if word == b"go\n":
            return True
        if word != b"wait\n":
            return False


@contextlib.asynccontextmanager
async def _called(grant: Grant) -> AsyncIterator[Stream]:
    """Raises OSError, TimeoutError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=grant.ca)
    proxy = Proxy(grant.proxy_host, grant.proxy_port) if grant.proxy_host else None
    plain = await asyncio.to_thread(tunnel.connect, grant.host, grant.port, proxy=proxy, timeout=PATIENCE)
    plain.setblocking(False)
    try:
        reader, writer = await asyncio.open_connection(
            sock=plain,
            ssl=context,
            server_hostname=grant.host,
            ssl_handshake_timeout=PATIENCE,
            ssl_shutdown_timeout=2.0,
        )
    except BaseException:
        plain.close()
        raise
    try:
        hello = json.dumps({"unit": grant.unit, "ticket": grant.ticket}).encode() + b"\n"
        writer.write(hello)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()
