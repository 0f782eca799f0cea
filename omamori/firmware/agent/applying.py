"""The customer's own "now": the button pressed twice tries a staged firmware at once, whatever window and fleet say.

Twice, because a button is leant on, dusted and tried out; and nothing happens where nothing is staged.
"""

import logging
from typing import Final, Protocol

from omamori.firmware.agent import picture
from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol.vocabulary import UpdatePhase

log = logging.getLogger(__name__)

APART: Final = 2.0
"""Seconds between two presses that belong together; a turn of the agent's loop may eat a good part of it."""
RESCAN: Final = 10.0


class Keys(Protocol):
    """What is pressed; `button.Button` is one."""

    def presses(self) -> int:
        """How often since the last call."""

    def held(self) -> bool:
        """Whether it is down now."""

    def rescan(self) -> None:
        """Look for a button that was plugged in."""

    def close(self) -> None:
        """Let go of it."""


class Pressing:
    """Tells two presses from one. Times are monotonic seconds."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._last: float | None = None
        self._scanned: float | None = None

    def twice(self, now: float) -> bool:
        """Whether the button was pressed twice. Call it a few times a second."""
        if self._scanned is None or now - self._scanned >= RESCAN:
            self._keys.rescan()
            self._scanned = now
        count = self._keys.presses()
        if not count:
            return False
        near = self._last is not None and now - self._last <= APART
        done = count > 1 or near
        self._last = None if done else now
        return done

    def held(self) -> bool:
        """Whether the button is down now."""
        return self._keys.held()

    def close(self) -> None:
        """Let go of the button."""
        self._keys.close()


def at_once(paths: Paths) -> bool:
    """Order the restart into what is staged; False where nothing is, or where it cannot be ordered."""
    update = picture.read_update(paths).update
    if update.phase is not UpdatePhase.STAGED:
        log.info("the button was pressed twice, and nothing is staged")
        return False
    try:
        files.write_atomic(paths.reboot, f"{update.version}\n".encode())
    except OSError as error:
        log.warning("the restart cannot be ordered: %s", error)
        return False
    log.warning("the button was pressed twice: restarting into the staged firmware %s", update.version)
    return True
