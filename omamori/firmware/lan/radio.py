"""The unit's radio as one more port of the side where the hosts are: listened to while it is in the bridge, for it comes and goes.

Which side that is the picture says: whoever joins by radio is inside, whichever way the cables are. A unit without one pays one look
at a directory a second.
"""

import selectors
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from omamori.firmware.host.paths import RADIO, Paths
from omamori.firmware.lan.capture import Capture
from omamori.firmware.lan.errors import PortMissing
from omamori.firmware.lan.links import Interface, Links
from omamori.firmware.lan.sighting import Port, Sighting

if TYPE_CHECKING:
    from omamori.firmware.lan.overhearing import Overhearing

HEARD_WITHIN: Final = timedelta(minutes=5)
"""A host that was heard by radio so lately is proof that somebody is behind the unit without a cable."""
PATIENCE: Final = 120.0
"""Seconds that an access point may take to be on the air before its silence is told."""
_CLASS: Final = Path("/sys/class/net")


class SilentRadio(Exception):  # noqa: N818 - what is the matter
    """An access point is set, and the radio is not on the air."""


class Radio:
    """One radio. Close it, or use it in a `with`."""

    def __init__(self, selector: selectors.BaseSelector, paths: Paths) -> None:
        self._selector, self._wanted = selector, paths.hostapd
        self._capture: Capture | None = None
        self._words: Overhearing | None = None
        self._heard: datetime | None = None
        self.port: Interface | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def look(self, links: Links) -> None:
        """Begin or end to listen, as it has joined or left. Raises PortMissing, OSError."""
        found = links.interface(RADIO) if (_CLASS / RADIO / "brport").exists() else None
        if (found and found.index) != (self.port and self.port.index):
            self._leave()
            if found:
                self._join()
        self.port = found

    def heard(self, now: datetime) -> None:
        """Somebody was heard by it."""
        self._heard = now

    def has_hosts(self, now: datetime) -> bool:
        up = self.port is not None and self.port.up
        return up and self._heard is not None and timedelta(0) <= now - self._heard <= HEARD_WITHIN

    def check(self) -> None:
        """Raises SilentRadio where an access point ought to be on the air, and is not."""
        if self.port is not None and self.port.up:
            return
        try:
            waited = time.time() - self._wanted.stat().st_mtime
        except OSError:
            return
        if waited > PATIENCE:
            raise SilentRadio("it is set, but the radio is not on the air")

    def first_words(self, now: datetime, inside: Port) -> Iterator[Sighting]:
        """What programs were heard to say first, see `overhearing`."""
        for sighting in self._words.sightings(now) if self._words else ():
            yield replace(sighting, port=inside)

    def _join(self) -> None:
        from omamori.firmware.lan.overhearing import Overhearing

        try:
            self._words = Overhearing({Port.LAN: RADIO}).__enter__()
            self._capture = Capture(RADIO)
        except PortMissing:
            self._leave()
            raise
        self._selector.register(self._capture, selectors.EVENT_READ, (None, self._capture))

    def _leave(self) -> None:
        if self._capture:
            self._selector.unregister(self._capture)
            self._capture.close()
        if self._words:
            self._words.__exit__()
        self._capture = self._words = None
        self._heard = self.port = None
