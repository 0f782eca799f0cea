"""Who is at the other end of the TLS connection, as gunicorn's socket proves it; never as a header claims it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from omamori.fleet.units.operations import serial_of


@dataclass(frozen=True, slots=True)
class Peer:
    """The client certificate that the TLS handshake verified against the fleet's root."""

    name: str
    """Its CN: the unit id."""
    serial: str


def peer_of(environ: Mapping[str, object]) -> Peer | None:
    """None where no certificate was presented, or the connection is not TLS by gunicorn itself."""
    connection = environ.get("gunicorn.socket")
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    if not certificate:
        return None
    subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("subject", ()))
    names = [value for parts in subject for key, value in parts if key == "commonName"]
    serial = certificate.get("serialNumber")
    return Peer(names[0], serial_of(str(serial))) if len(names) == 1 and serial else None
