"""Whether the fleet answers from here: one TLS handshake with the certificate the claim names. Nothing is asked of it."""

import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from omamori.firmware.host import files, tunnel
from omamori.firmware.host.paths import Paths
from omamori.firmware.host.settings import Settings

TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the fleet is, as the agent's `fleet.json` says."""

    host: str
    port: int
    ca: Path


def place(paths: Paths) -> Place:
    """Raises OSError, ValueError."""
    value = json.loads(files.read_capped(paths.fleet))
    url, ca = urlsplit(str(value["url"])), str(value["ca"])
    if url.scheme != "https" or not url.hostname:
        raise ValueError("the fleet's address is no https URL")
    return Place(url.hostname, url.port or 443, paths.root / ca.lstrip("/"))


def reach(paths: Paths, settings: Settings) -> str:
    """Empty when the fleet answered under these settings, else what went wrong."""
    try:
        where = place(paths)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cafile=where.ca)
        with tunnel.connect(where.host, where.port, proxy=settings.proxy, timeout=TIMEOUT) as plain:
            return _spoken(plain, context, where, settings)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"[:200]


def _spoken(plain: socket.socket, context: ssl.SSLContext, where: Place, settings: Settings) -> str:
    """Raises OSError. The old address may still be there for a moment: it does not count."""
    own = plain.getsockname()[0]
    if settings.fixed and own != str(settings.fixed.interface.ip):
        return f"the unit still speaks from {own}"
    with context.wrap_socket(plain, server_hostname=where.host):
        return ""
