"""The claim that the factory wrote into the unit: there, whole, and for this unit. Its secret is never shown."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from omamori.firmware.factory.report import Line, judged
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import Claim, decode

_NAME: Final = "omamori.claim"
_LEAST_SECRET: Final = 16


def check(paths: Paths, unit: str | None, now: datetime | None = None) -> Iterator[Line]:
    """`unit` is what the label says, where somebody has read it."""
    try:
        claim = decode(Claim, _content(paths))
    except FileNotFoundError:
        yield judged("claim", "there is none", good=False)
        return
    except (OSError, ProtocolError) as error:
        yield judged("claim", f"cannot be read: {error}", good=False)
        return
    problems = list(_problems(claim, unit, now or datetime.now(UTC)))
    yield judged("claim", "; ".join(problems) or f"of {claim.unit} for {claim.fleet}", good=not problems)


def _content(paths: Paths) -> bytes:
    """As this service was handed it, else as the machine was, as the boot partition had it, or as the agent's service has it. Raises OSError."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    places = [Path(given)] if given else []
    for place in (*places, paths.root / "run/credentials/@system", paths.root / "run/credstore"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            return files.read_capped(place / _NAME)
    return files.read_capped(paths.claim)


def _problems(claim: Claim, unit: str | None, now: datetime) -> Iterator[str]:
    if unit is not None and claim.unit != unit:
        yield f"is of {claim.unit}, the label says {unit}"
    if len(claim.secret) < _LEAST_SECRET:
        yield f"its secret has {len(claim.secret)} characters"
    address = urlsplit(claim.fleet)
    if address.scheme != "https" or not address.hostname:
        yield f"the fleet's address is {claim.fleet!r}"
    yield from _authority(claim.fleet_ca, now)


def _authority(text: str, now: datetime) -> Iterator[str]:
    from cryptography.x509 import (
        load_pem_x509_certificates,
    )  # loads a large library: not for the other checks

    try:
        certificates = load_pem_x509_certificates(text.encode())
    except ValueError:
        yield "the fleet's certificate is none"
        return
    if all(each.not_valid_after_utc < now for each in certificates):
        yield "the fleet's certificate has expired"
