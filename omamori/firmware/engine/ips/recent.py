"""Which rules became candidates by the bytes that still lie in a stream's window, so that only new bytes are searched.

A block is searched together with as many earlier bytes as the longest literal needs. Its candidates stay until the window
has left the block behind, for the rest of such a rule may come with later bytes. Bounded: when blocks are many, the oldest
two become one.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

_BLOCKS: Final = 32


class Recent:
    """Of one direction of one flow."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: list[tuple[int, frozenset[int]]] = []
        """Where each block ended in its stream, and what was found in it; in order."""

    def add(self, end: int, found: AbstractSet[int]) -> None:
        """Remember a block; one without candidates needs no room."""
        if not found:
            return
        if len(self._blocks) >= _BLOCKS:
            (_, oldest), (until, second) = self._blocks[:2]
            self._blocks[:2] = [(until, oldest | second)]
        self._blocks.append((end, frozenset(found)))

    def since(self, begin: int) -> Sequence[frozenset[int]]:
        """What was found in blocks that end beyond `begin`; the others are forgotten."""
        if not self._blocks:
            return ()
        if self._blocks[0][0] <= begin:
            self._blocks = [block for block in self._blocks if block[0] > begin]
        return [found for _, found in self._blocks]
