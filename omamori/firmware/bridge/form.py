"""In which form the engine runs: with compiled modules (decision 0022) or as Python only, and the way back from one to the other.

A nursery that the supervisor forks has what the supervisor has. One for Python only, where the supervisor has compiled modules, is
therefore a program of its own (`afresh.py`). Once trust in compiled modules is lost it does not come back before the next boot.
"""

import socket
from collections.abc import Sequence
from typing import Final

from omamori.firmware.bridge.compiled import Trust
from omamori.firmware.bridge.generation import Generation, Pack
from omamori.firmware.bridge.nursery import Load, Post

_DEATHS: Final = 3
_WITHIN: Final = 3600.0
"""Seconds. Whoever can end a worker may take his time over it, and choose among them all."""


class Form:
    """Of one supervisor."""

    def __init__(
        self,
        afresh: Sequence[str] = (),
        trust: Trust | None = None,
        *,
        compiled: bool = False,
        why: str = "",
    ) -> None:
        """`afresh`: the command of a nursery for Python only. `compiled`: this process has compiled modules. `why`: it has not."""
        self._afresh, self._trust = afresh, trust
        self._present = compiled
        self._deaths: list[float] = []
        self.compiled = compiled
        """Whether nurseries that begin now have compiled modules."""
        self.why = why
        """Why they have not, where somebody should know."""

    def generation(
        self, pack: Pack, post: Post, load: Load, inherited: Sequence[socket.socket | int]
    ) -> Generation:
        """Raises OSError."""
        afresh = self._afresh if self._present and not self.compiled else ()
        return Generation(pack, post, load, inherited, compiled=self.compiled, afresh=afresh)

    def fits(self, generation: Generation) -> bool:
        """Whether it has the form that is wanted now."""
        return generation.compiled == self.compiled

    def died(self, now: float) -> bool:
        """One of the workers with compiled modules; whether too many did. `now` is monotonic."""
        self._deaths = [*(at for at in self._deaths if now - at < _WITHIN), now]
        return len(self._deaths) >= _DEATHS

    def lost(self, why: str) -> bool:
        """Compiled modules are not to be trusted. False where that changes nothing."""
        if not self.compiled or not self._afresh:
            return False
        self.compiled, self.why = False, f"the engine goes on without compiled modules: {why}"
        if self._trust:
            self._trust.lost(why)
        return True

    def ended(self) -> None:
        """The process ends in order."""
        if self._trust and self._present:
            self._trust.ended()

    def told(self) -> dict[str, object]:
        """For the status file."""
        return {"compiled": self.compiled, "why": self.why}
