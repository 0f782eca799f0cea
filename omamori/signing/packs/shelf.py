"""The last good copy of each feed: its files, and where and when they came from. Exchanged whole, by renaming.

`<shelf>/<feed>/<sha256>/` holds the unpacked files and never changes; `<shelf>/<feed>.json` says which is in use. A copy is
good when it was proven, unpacked and not suspiciously small; anything else never gets here.
"""

import json
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from omamori.protocol.errors import ProtocolError
from omamori.protocol.wire import from_wire, to_wire
from omamori.signing.packs.download import Known
from omamori.signing.packs.errors import FeedError
from omamori.signing.repository import write_file

_CAP = 64 << 10


@dataclass(frozen=True, slots=True)
class Copy:
    """`confirmed`: when a server last said that this is what it has; `changed`: when this content first came."""

    sha256: str
    form: str
    url: str
    etag: str
    modified: str
    lines: int
    changed: datetime
    confirmed: datetime

    @property
    def known(self) -> Known:
        return Known(self.url, self.etag, self.modified)


class Shelf:
    """A directory; one process at a time (the repository's lock)."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def last(self, feed: str) -> Copy | None:
        """None where there is none, or none that can be read."""
        try:
            with self._facts(feed).open("rb") as file:
                found = from_wire(Copy, json.loads(file.read(_CAP)))
        except (OSError, ValueError, RecursionError, ProtocolError):
            return None
        return found if self._folder(feed, found.sha256).is_dir() else None

    def files(self, feed: str, copy: Copy) -> list[Path]:
        """Of a copy, by name."""
        return sorted(path for path in self._folder(feed, copy.sha256).rglob("*") if path.is_file())

    def folder(self, feed: str, copy: Copy) -> Path:
        return self._folder(feed, copy.sha256)

    def put(self, feed: str, copy: Copy, unpacked: Path) -> None:
        """Make unpacked files the copy in use. Raises OSError."""
        target = self._folder(feed, copy.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(target)
        shutil.move(unpacked, target)
        self._write(feed, copy)
        for other in target.parent.iterdir():
            if other != target:
                shutil.rmtree(other)

    def confirm(self, feed: str, copy: Copy, now: datetime) -> Copy:
        """A server has the same still."""
        confirmed = replace(copy, confirmed=now)
        self._write(feed, confirmed)
        return confirmed

    def _write(self, feed: str, copy: Copy) -> None:
        write_file(self._facts(feed), json.dumps(to_wire(copy), indent=1).encode())

    def _facts(self, feed: str) -> Path:
        return self.place / f"{feed}.json"

    def _folder(self, feed: str, sha256: str) -> Path:
        """Raises FeedError for a hash that would be another path."""
        if len(sha256) != 64 or not sha256.isalnum():
            raise FeedError(f"{self._facts(feed)} is damaged: remove it")
        return self.place / feed / sha256
