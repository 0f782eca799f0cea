"""The unit's two calls to the fleet over HTTPS: activate, and fetch what is wanted. Bounded in bytes and time."""

import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from omamori.firmware.agent.errors import FleetUnreachable, reason
from omamori.protocol.messages import Activation, encode
from omamori.protocol.wire import MESSAGE_CAP

if TYPE_CHECKING:
    from omamori.firmware.host.settings import Proxy

TIMEOUT: Final = 10.0
"""Seconds for connecting, and for each read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body, the body capped."""

    status: int
    body: bytes


def activate(
    fleet: str, activation: Activation, trust: ssl.SSLContext, *, proxy: "Proxy | None" = None
) -> Answer:
    """Raises FleetUnreachable."""
    return _call("POST", fleet, "/unit/v1/activate", trust, encode(activation), proxy)


def want(fleet: str, trust: ssl.SSLContext, *, proxy: "Proxy | None" = None) -> Answer:
    """Raises FleetUnreachable."""
    return _call("GET", fleet, "/unit/v1/want", trust, None, proxy)


def _call(
    method: str, fleet: str, path: str, trust: ssl.SSLContext, body: bytes | None, proxy: "Proxy | None"
) -> Answer:
    base = urlsplit(fleet)
    place = base.hostname or "", base.port or 443
    first = (proxy.host, proxy.port) if proxy else place
    connection = http.client.HTTPSConnection(*first, timeout=TIMEOUT, context=trust)
    try:
        if proxy:
            connection.set_tunnel(*place)
        connection.request(method, base.path.rstrip("/") + path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.read(MESSAGE_CAP + 1))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FleetUnreachable(f"{base.hostname}: {reason(error)}") from error
    finally:
        connection.close()
