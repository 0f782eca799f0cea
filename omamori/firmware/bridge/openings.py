"""Where connections begin: both sides' first numbers, from copies of the answers to their openings (decision 0032).

The packets themselves never wait for a worker: if one dies, an opening would take a second longer. Copies come at once, so they
are there before the first data; they are read when the engine asks. Any bytes are taken; without a log group nothing is known.
"""

from collections import OrderedDict
from typing import Final

from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.opening import Opening, Way
from omamori.firmware.engine.packet import ACK, RST, SYN, TCP, parse
from omamori.firmware.host.nflog import PacketLog

MOST: Final = 4096
_ROUND: Final = 256
"""Copies read at once; the rest next time."""


class Openings:
    """Of one worker; every worker gets every copy, for nobody knows whose connection it will be."""

    def __init__(self, log: PacketLog | None) -> None:
        self._log = log
        self._known: OrderedDict[Way, Opening] = OrderedDict()

    def take(self, way: Way) -> Opening | None:
        """Of the newest connection that goes this way, to its server; once."""
        self.listen()
        return self._known.pop(way, None)

    def listen(self) -> None:
        """Read what waits."""
        log = self._log
        for _ in range(_ROUND):
            if not (copies := log.receive() if log else []):
                return
            for copy in copies:
                self._note(copy.data)

    def _note(self, data: bytes) -> None:
        try:
            packet = parse(data)
        except PacketError:
            return
        if packet.protocol != TCP or packet.is_fragment or packet.flags & (SYN | ACK | RST) != SYN | ACK:
            return
        way = (packet.destination, packet.destination_port, packet.source, packet.source_port, TCP)
        self._known[way] = Opening(packet.acknowledgement, packet.sequence + 1)
        self._known.move_to_end(way)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
