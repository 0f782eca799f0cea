"""Connections that others announced: found again by the two hosts and the port that one of them listens on. Bounded, and not for long."""

from collections import OrderedDict

from omamori.firmware.engine.applications.layer import ConnectionExpected, Layer
from omamori.firmware.engine.inspection import FlowFacts

_MOST = 4096
_PATIENCE = 120.0

_Key = tuple[bytes, bytes, int]
"""The listener, the other host, the listener's port."""


class ExpectedConnections:
    """Of all flows of one engine."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, tuple[Layer, float]] = OrderedDict()

    def add(self, event: ConnectionExpected, facts: FlowFacts, now: float) -> None:
        listener, other = facts.server, facts.client
        if not event.at_server:
            listener, other = other, listener
        # Behind address translation the announced address is not the one that is used: either counts.
        for address in {listener, event.address} - {b""}:
            self._known.pop((address, other, event.port), None)
            self._known[address, other, event.port] = (event.layer, now)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def take(self, facts: FlowFacts, now: float) -> Layer | None:
        """The parser of a new flow that was announced. Who opened it may be told wrongly, so both ways count."""
        if not self._known:
            return None
        for key in (
            (facts.server, facts.client, facts.server_port),
            (facts.client, facts.server, facts.client_port),
        ):
            found = self._known.pop(key, None)
            if found is not None and 0 <= now - found[1] <= _PATIENCE:
                return found[0]
        return None
