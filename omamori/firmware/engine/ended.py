"""Connections that a reset ended, after all else of them was forgotten: which bytes would go on with one.

A reset that the unit believes may never have reached its receiver, and who sent it may wait for as long as the receiver does. What
goes on then cannot be inspected (its beginning is forgotten), and no honest sender goes on: it is stopped. Bounded in number
and time, some 0.5 KB each.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from omamori.firmware.engine.opening import Way
from omamori.firmware.engine.reassembly import is_far

MOST: Final = 16_384
"""The oldest are given up for new ones."""


class Ends(NamedTuple):
    """The sequence number that would have been next of each direction, where it is known."""

    client: int | None
    server: int | None
    since: float


class Ended:
    """Of one worker. Ways are those of packets to the server."""

    def __init__(self, seconds: float) -> None:
        """How long each is remembered after its last packet."""
        self._seconds = seconds
        self._known: OrderedDict[Way, Ends] = OrderedDict()

    def add(self, way: Way, ends: Ends) -> None:
        """In the order of their last packets, more or less."""
        self._known.pop(way, None)
        self._known[way] = ends
        while len(self._known) > MOST or self._is_old(next(iter(self._known.values())), ends.since):
            self._known.popitem(last=False)

    def near(self, way: Way, sequence: int, now: float, *, to_server: bool) -> Ends | None:
        """Those of the connection that a packet would go on with."""
        ends = self._known.get(way)
        if ends is None or self._is_old(ends, now):
            return None
        following = ends.client if to_server else ends.server
        return None if following is not None and is_far(sequence - following) else ends

    def forget(self, way: Way) -> None:
        """Another connection goes this way."""
        self._known.pop(way, None)

    def shift(self, seconds: float) -> None:
        """The clock was set."""
        for way, ends in self._known.items():
            self._known[way] = ends._replace(since=ends.since + seconds)

    def _is_old(self, ends: Ends, now: float) -> bool:
        return now - ends.since > self._seconds
