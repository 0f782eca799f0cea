"""The JA4 of a TLS hello that QUIC carries: its first packets are encrypted with keys that everybody can derive (RFC 9001, 5.2). Bounded.

The engine's parser opens them, as it does for the web guard; this adds who speaks to whom, and forgets conversations that do not
go on. Loaded with the first such packet: a unit whose hosts speak no QUIC needs none of it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from omamori.firmware.engine.applications.layer import Message
from omamori.firmware.engine.applications.quic import Quic, is_plausible
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.internet import Address, Packet

MOST_BEGUN: Final = 32
"""Conversations of which some of the hello is still to come."""
_WAIT: Final = timedelta(seconds=3)
_WANTED: Final = frozenset({"ja4.hash"})
_Way: TypeAlias = tuple[Address, Address, int, int]


@dataclass(frozen=True, slots=True)
class _Begun:
    layer: Quic
    time: datetime


class QuicReader:
    """Puts hellos of several datagrams together."""

    def __init__(self) -> None:
        self._begun: OrderedDict[_Way, _Begun] = OrderedDict()

    def read(self, packet: Packet, time: datetime) -> str:
        """Empty while some of the hello is still to come. Raises BadFrame."""
        if not is_plausible(packet.datagram):
            raise BadFrame("no QUIC")
        way = (packet.source, packet.destination, *packet.ports)
        begun = self._begun.pop(way, None)
        if begun is None or abs(time - begun.time) > _WAIT:
            begun = _Begun(Quic(), time)
        events = begun.layer.feed(Piece(0, 0, packet.datagram), _WANTED, to_server=True)
        if begun.layer.lost:
            raise BadFrame("no QUIC hello")
        if not begun.layer.finished:
            self._begun[way] = begun
            if len(self._begun) > MOST_BEGUN:
                self._begun.popitem(last=False)
        return next((_ja4(event) for event in events if isinstance(event, Message)), "")


def _ja4(message: Message) -> str:
    return message.buffers["ja4.hash"][0].decode("ascii")
