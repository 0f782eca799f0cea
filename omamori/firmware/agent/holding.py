"""The button held for ten seconds: the unit goes back to how the factory left it. Only the order is given here; root obeys it.

Meanwhile the lamp says that it is seen (`held`), from the second second on, so that a mere press never shows. It ends when the order
was given, or when the button is let go before: nothing happens then.
"""

import logging
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths

log = logging.getLogger(__name__)

SEEN: Final = 2.0
LONG: Final = 10.0
"""Seconds."""


class Holding:
    """Call `look` a few times a second; times are monotonic seconds."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._since: float | None = None
        self._shown = self._ordered = False

    def look(self, now: float, *, held: bool) -> None:
        """Whether the button is down now."""
        if not held:
            self._since, self._ordered = None, False
        elif self._since is None:
            self._since = now
        lasted = now - self._since if self._since is not None else 0.0
        self._show(shown=held and lasted >= SEEN and not self._ordered)
        if lasted >= LONG and not self._ordered:
            self._order()

    def _show(self, *, shown: bool) -> None:
        if shown == self._shown:
            return
        try:
            files.write_atomic(self._paths.held, b"yes\n" if shown else b"no\n", mode=0o644)
            self._shown = shown
        except OSError as error:
            log.warning("the lamp cannot be told that the button is held: %s", error)

    def _order(self) -> None:
        self._ordered = True
        try:
            files.write_atomic(self._paths.reset, b"settings\n")
            log.warning("the button was held for %g s: the unit goes back to how the factory left it", LONG)
        except OSError as error:
            log.warning("the order to erase the data cannot be given: %s", error)
        self._show(shown=False)
