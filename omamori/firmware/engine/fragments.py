"""IP fragments put together again (RFC 791, 8200), bounded in number, size and time.

The kernel's connection tracking puts most together before the engine sees them; captures have them as they were.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.packet import MORE_FRAGMENTS, Packet, parse

_MAX_DATAGRAMS = 1024
_MAX_PARTS = 128
_MAX_SIZE = 65_535
_MAX_HELD = 16 << 20
"""Bytes over all datagrams."""
_TIMEOUT = 30.0


class OverlapError(PacketError):
    """A fragment brings other data for bytes that an earlier one brought: receivers differ on which they take."""


_Key = tuple[bytes, bytes, int, int]


@dataclass(slots=True)
class _Datagram:
    since: float
    parts: list[tuple[int, bytes]] = field(default_factory=list)
    """In order of arrival."""
    total: int | None = None
    held: int = 0
    poisoned: bool = False
    """Fragments of it contradicted each other; none that follows is taken."""
    header: bytes = b""
    """The IP header (IPv6: with its extension headers) of the first fragment."""


class Fragments:
    """Datagrams of which some fragments came."""

    def __init__(self, *, strict: bool = True) -> None:
        """`strict`: contradicting fragments may be kept from the receiver; otherwise what came first wins here."""
        self._strict = strict
        self._datagrams: OrderedDict[_Key, _Datagram] = OrderedDict()
        self._held = 0
        self.given_up = 0
        """Fragments that went on and whose packet was never put together here."""

    def __len__(self) -> int:
        return len(self._datagrams)

    def add(self, packet: Packet, now: float) -> Packet | None:
        """The whole packet once its last missing fragment came.

        Raises PacketError if the whole is no packet, OverlapError if this and each later fragment must be kept from the
        receiver so that it cannot put together another packet than the one seen here (RFC 5722).
        """
        key = (packet.source, packet.destination, packet.protocol, packet.fragment_id)
        datagram = self._datagrams.get(key)
        if datagram is None:
            datagram = self._datagrams[key] = _Datagram(now)
        at, end = packet.fragment_offset, packet.fragment_offset + len(packet.payload)
        if end > _MAX_SIZE or len(datagram.parts) >= _MAX_PARTS or datagram.held > 2 * _MAX_SIZE:
            self._give_up(key)
            self.given_up += 1
            return None
        if self._strict and (datagram.poisoned or _contradicts(datagram, packet)):
            self._held -= datagram.held
            datagram.poisoned, datagram.parts, datagram.held = True, [], 0
            raise OverlapError("IP fragments that overlap with other data")
        if (at, packet.payload) not in datagram.parts:
            datagram.parts.append((at, packet.payload))
            datagram.held += len(packet.payload)
            self._held += len(packet.payload)
            self._make_room()
        if at == 0:
            datagram.header = packet.data[: packet.transport_at]
        if not packet.fragment_bits & MORE_FRAGMENTS:
            datagram.total = end
        body = _joined(datagram)
        if body is None:
            return None
        self._forget(key)
        return parse(_rebuilt(packet, datagram.header, body))

    def tick(self, now: float) -> None:
        """Forgets what will not become whole."""
        while self._datagrams:
            key, oldest = next(iter(self._datagrams.items()))
            if 0 <= now - oldest.since <= _TIMEOUT:
                break
            self._give_up(key)

    def _make_room(self) -> None:
        while len(self._datagrams) > _MAX_DATAGRAMS or self._held > _MAX_HELD:
            self._give_up(next(iter(self._datagrams)))

    def _give_up(self, key: _Key) -> None:
        self.given_up += len(self._datagrams[key].parts)
        self._forget(key)

    def _forget(self, key: _Key) -> None:
        datagram = self._datagrams.pop(key, None)
        if datagram is not None:
            self._held -= datagram.held


def _contradicts(datagram: _Datagram, packet: Packet) -> bool:
    data, at = packet.payload, packet.fragment_offset
    end = at + len(data)
    for begin, known in datagram.parts:
        low, high = max(at, begin), min(end, begin + len(known))
        if low < high and known[low - begin : high - begin] != data[low - at : high - at]:
            return True
        if not packet.fragment_bits & MORE_FRAGMENTS and begin + len(known) > end:
            return True
    return datagram.total is not None and end > datagram.total


def _joined(datagram: _Datagram) -> bytes | None:
    if datagram.total is None or not datagram.header:
        return None
    covered = 0
    for at, data in sorted(datagram.parts):
        if at > covered:
            return None
        covered = max(covered, at + len(data))
    if covered < datagram.total:
        return None
    body = bytearray(covered)
    for at, data in reversed(datagram.parts):  # what came first is written last
        body[at : at + len(data)] = data
    return bytes(body[: datagram.total])


def _rebuilt(packet: Packet, header: bytes, body: bytes) -> bytes:
    """One packet without fragmentation; its header checksum is not recomputed, for nobody sends it."""
    whole = bytearray(header)
    if packet.version == 4:
        whole[2:4] = (len(header) + len(body)).to_bytes(2, "big")
        whole[6:8] = b"\0\0"
    else:
        whole = whole[:40]
        whole[4:6] = len(body).to_bytes(2, "big")
        whole[6] = packet.protocol
    return bytes(whole) + body
