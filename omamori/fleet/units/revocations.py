"""Certificates that count no longer, as the broker asks for them: a revocation list of the fleet's root (RFC 5280, section 5).

HTTPS asks the database with each request. A broker knows certificates alone, and ours are good for twenty years.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from django.db import Error, connection

from omamori.fleet.broker.authority import Authority
from omamori.fleet.units import queries

log = logging.getLogger("omamori.fleet.revocations")


class Revocations:
    """The list in `file`, kept up with the database by one process."""

    def __init__(self, authority: Authority, file: Path) -> None:
        self._authority, self.file = authority, file
        self._written: list[tuple[int, datetime]] | None = None
        self._said = ""

    def keep_up(self) -> bool:
        """Write it where anything changed; whether it did. Where database or disk do not do it, the list stays as it is; there always is one. Raises OSError."""
        try:
            found = queries.revoked()
            if found != self._written:
                self._write(found)
                self._written = found
                return True
        except (Error, OSError) as error:
            self._complain(f"which certificates were revoked is not known to the broker: {error}")
            connection.close()
            if not self.file.exists():
                self._write([])
        return False

    def _write(self, revoked: list[tuple[int, datetime]]) -> None:
        text = self._authority.revocation_list(revoked, now=datetime.now(UTC))
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.file.with_name(f".{self.file.name}.{os.getpid()}.new")
        fresh.write_text(text)
        fresh.replace(self.file)

    def _complain(self, what: str) -> None:
        """Once for each reason."""
        if what != self._said:
            self._said = what
            log.warning("%s", what)
