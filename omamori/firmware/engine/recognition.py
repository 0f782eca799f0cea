"""Which parser a TCP flow gets: found out from the first bytes of either direction, and what that parser has missed by then.

A direction whose first bytes fit nothing says so, but they are kept as long as the other may still tell what they were: a server
may take for a request what looks like none.
"""

from typing import Final

from omamori.firmware.engine.applications import detect
from omamori.firmware.engine.applications.http_fields import FieldMemory
from omamori.firmware.engine.expected import ExpectedConnections
from omamori.firmware.engine.flow import Flow
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_MOST_KEPT: Final = 8 << 10
"""Bytes of a direction that fits nothing; beyond it none of them are kept."""


class Recognition:
    """Of one engine."""

    def __init__(self, settings: Settings, expected: ExpectedConnections) -> None:
        self._settings, self._expected = settings, expected
        self._fields = FieldMemory()

    def recognise(self, flow: Flow, piece: Piece, now: float, *, to_server: bool) -> list[tuple[bool, Piece]]:
        """Sets the flow's application and parser, once known; what that is to be fed, by direction, the other one first."""
        seen = flow.undetected[to_server]
        if seen is None:
            return []
        if flow.undetected == [b"", b""] and (layer := self._expected.take(flow.facts, now)):
            flow.facts.application, flow.layer, flow.undetected = layer.name, layer, [None, None]
            return [(to_server, piece)]
        data = seen + piece.data
        known: detect.Known | None = detect.FAILED
        if not piece.missing and not flow.failed[to_server]:
            known = detect.of_stream(data, self._settings, to_server=to_server, fields=self._fields)
        if known is None:
            flow.undetected[to_server] = data
            return []
        if known is detect.FAILED:
            # Where a connection was joined in its midst, they are the rest of something that nobody will tell.
            begins = flow.opening and not piece.missing
            self._fail(flow, data if begins else b"", to_server=to_server)
            return []
        flow.facts.application, flow.layer = known.name, known.layer
        other = flow.undetected[not to_server] or b""
        before = Piece(flow.halves[not to_server].stream.offset - len(other), 0, other)
        flow.undetected = [None, None]
        return [(not to_server, before), (to_server, Piece(piece.offset - len(seen), 0, data))]

    @staticmethod
    def _fail(flow: Flow, data: bytes, *, to_server: bool) -> None:
        """`data`: what there is of the direction without a gap."""
        flow.failed[to_server] = True
        flow.undetected[to_server] = data if 0 < len(data) <= _MOST_KEPT else None
        if all(flow.failed):
            flow.undetected = [None, None]
            if not flow.facts.application:
                flow.facts.application = "failed"
