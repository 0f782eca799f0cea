"""Layers in which a hole may hide where a file ends, and what comes next begins."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Framed(Protocol):
    """One whose files end where a length said before says so."""

    def follows(self, *, to_server: bool) -> bool:
        """Whether it still knows what the bytes of this direction are."""
        ...
