"""What the supervisor's loop runs beside the workers: it looks at traffic in its own way and only tells."""

from collections.abc import Iterable
from typing import Protocol


class Beside(Protocol):
    """What else of the traffic is looked at, beside the workers; it only tells."""

    def fileno(self) -> int: ...

    def work(self) -> Iterable[bytes]:
        """Message bodies; called in every round, never waits."""
        ...
