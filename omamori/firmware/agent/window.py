"""Which messages are on their way: bounded, sent again when no confirmation came, and never stuck behind one of them.

Pure; times are monotonic seconds. While nothing at all is confirmed the wait doubles, since the fleet is likely down;
the first sign of life makes everything due at once. A message that is passed by others again and again steps aside.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

SIZE: Final = 200
"""Messages on their way at a time."""
FIRST_WAIT: Final = 15.0
LONGEST_WAIT: Final = 240.0
PASSES: Final = 3
"""So often a message may be sent in vain while others are confirmed."""
ASIDE: Final = 3600.0
"""Seconds such a message stays aside."""


@dataclass(slots=True)
class _Sent:
    at: float
    confirmed: int
    passes: int = 0


@dataclass(slots=True)
class Window:
    """Made anew for each connection."""

    wait: float = FIRST_WAIT
    _confirmed: int = 0
    _sent: dict[int, _Sent] = field(default_factory=dict)
    _aside: dict[int, float] = field(default_factory=dict)

    def room(self) -> int:
        """How many more may be sent."""
        return max(0, SIZE - len(self._sent))

    def sent(self, id_: int, now: float) -> None:
        """A message left."""
        before = self._sent.get(id_)
        self._sent[id_] = _Sent(now, self._confirmed, before.passes if before else 0)

    def gone(self, ids: Iterable[int]) -> None:
        """These were confirmed, or no longer exist."""
        for id_ in ids:
            self._aside.pop(id_, None)
            if self._sent.pop(id_, None):
                self._confirmed += 1

    def alive(self) -> None:
        """The fleet gave a sign of life: what waits longer than the first wait is due."""
        self.wait = FIRST_WAIT

    def due(self, now: float) -> list[int]:
        """Messages to send again; call once and send them all."""
        self._step_aside(now)
        late = [id_ for id_, sent in self._sent.items() if now - sent.at >= self.wait]
        if late and all(self._sent[id_].confirmed == self._confirmed for id_ in late):
            self.wait = min(self.wait * 2, LONGEST_WAIT)
        back = [id_ for id_, until in self._aside.items() if now >= until][: self.room()]
        for id_ in back:
            del self._aside[id_]
        return late + back

    def _step_aside(self, now: float) -> None:
        for id_, sent in list(self._sent.items()):
            if now - sent.at >= self.wait and sent.confirmed < self._confirmed:
                sent.passes += 1
                if sent.passes >= PASSES:
                    del self._sent[id_]
                    self._aside[id_] = now + ASIDE
