"""Layers that another protocol may follow, told by what they have; apart from `layer.py`, which the compiler of the image takes."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class GivesWay(Protocol):
    """A layer after which, once it is finished, another protocol may begin on the same connection (STARTTLS, CONNECT)."""

    @property
    def gives_way(self) -> bool: ...
