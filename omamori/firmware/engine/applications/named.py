"""Protocols that are told by their first bytes and not read any further: rules may name them, and nothing in them."""

from collections.abc import Sequence

from omamori.firmware.engine.applications.layer import Context, Event, Message
from omamori.firmware.engine.reassembly import Piece


class Named:
    """One connection of such a protocol: an empty message in each direction, for rules that ask for no more."""

    finished = False
    lost = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._told = [False, False]

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:  # noqa: ARG002 - the interface's
        if self._told[to_server] or not piece.data:
            return ()
        self._told[to_server] = True
        return [Message(1, to_server, {})]

    def end(self, needs: frozenset[str]) -> Sequence[Event]:  # noqa: ARG002 - the interface's
        return ()

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - nothing is known
        return Context()
