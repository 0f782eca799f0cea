"""IP fragments put together again (RFC 791, 8200), bounded in number, size and time.

The kernel's connection tracking puts most together before the engine sees them; captures have them as they were.
"""

from collections import OrderedDict

from omamori.firmware.engine.errors import PacketError
from omamori.firmware.engine.packet import MORE_FRAGMENTS, Packet, parse

_MAX_DATAGRAMS = 1024
_MAX_SIZE = 65_535
_MAX_HELD = 16 << 20
"""Bytes over all datagrams."""
_TIMEOUT = 30.0


class OverlapError(PacketError):
    """A fragment brings other data for bytes that an earlier one brought: receivers differ on which they take."""


_Key = tuple[bytes, bytes, int, int]


class _Datagram:
    """What came of one; the work for a fragment grows with its size, not with how many came before."""

    __slots__ = ("_came", "_known", "body", "fragments", "header", "poisoned", "protocol", "since", "total")

    def __init__(self, since: float) -> None:
        self.since = since
        self.body = bytearray()
        """Zero where nothing came yet."""
        self._known = bytearray()
        """255 for each byte of the body that came, else 0."""
        self._came = 0
        """How many these are."""
        self.total: int | None = None
        self.fragments = 0
        """How many were taken."""
        self.poisoned = False
        """Fragments of it contradicted each other; none that follows is taken."""
        self.header = b""
        """The IP header (IPv6: with its extension headers) of the first fragment."""
        self.protocol = 0
        """What follows that header."""

    @property
    def held(self) -> int:
        return len(self.body) + len(self._known)

    @property
    def whole(self) -> bytes | None:
        total = self.total
        if total is None or not self.header or self._came < total:
            return None
        if self._known.count(255, 0, total) < total:
            return None
        return bytes(self.body[:total])

    def differs(self, at: int, data: bytes) -> bool:
        """Other bytes came there before."""
        before, known = self._there(at, len(data))
        return bool((before ^ int.from_bytes(data, "big")) & known)

    def take(self, at: int, data: bytes) -> None:
        """What came first stays."""
        end = at + len(data)
        self.fragments += 1
        if not data:
            return
        if end > len(self.body):
            self.body.extend(bytes(end - len(self.body)))
            self._known.extend(bytes(end - len(self._known)))
        before, known = self._there(at, len(data))
        kept = before & known | int.from_bytes(data, "big") & ~known
        self.body[at:end] = kept.to_bytes(len(data), "big")
        self._known[at:end] = b"\xff" * len(data)
        self._came += len(data) - known.bit_count() // 8

    def poison(self) -> None:
        self.poisoned, self.fragments, self._came = True, 0, 0
        self.body, self._known = bytearray(), bytearray()

    def _there(self, at: int, size: int) -> tuple[int, int]:
        """So many bytes of `body` and of `_known`, as numbers."""
        low, high = min(at, len(self.body)), min(at + size, len(self.body))
        beyond = 8 * (size - (high - low))
        body, known = self.body[low:high], self._known[low:high]
        return int.from_bytes(body, "big") << beyond, int.from_bytes(known, "big") << beyond


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
        # The next header of an IPv6 fragment that is not the first says nothing (RFC 8200, 4.5).
        protocol = packet.protocol if packet.version == 4 else 0
        key = (packet.source, packet.destination, protocol, packet.fragment_id)
        datagram = self._datagrams.get(key)
        if datagram is None:
            datagram = self._datagrams[key] = _Datagram(now)
        at, end = packet.fragment_offset, packet.fragment_offset + len(packet.payload)
        if end > _MAX_SIZE:
            self._give_up(key)
            self.given_up += 1
            return None
        if self._strict and (datagram.poisoned or _contradicts(datagram, packet)):
            self._held -= datagram.held
            datagram.poison()
            raise OverlapError("IP fragments that overlap with other data")
        self._held -= datagram.held
        datagram.take(at, packet.payload)
        self._held += datagram.held
        self._make_room()
        if at == 0:
            datagram.header, datagram.protocol = packet.data[: packet.transport_at], packet.protocol
        if not packet.fragment_bits & MORE_FRAGMENTS:
            datagram.total = end
        body = datagram.whole
        if body is None:
            return None
        self._forget(key)
        return parse(_rebuilt(packet.version, datagram, body))

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
        self.given_up += self._datagrams[key].fragments
        self._forget(key)

    def _forget(self, key: _Key) -> None:
        datagram = self._datagrams.pop(key, None)
        if datagram is not None:
            self._held -= datagram.held


def _contradicts(datagram: _Datagram, packet: Packet) -> bool:
    data, at = packet.payload, packet.fragment_offset
    end = at + len(data)
    if not packet.fragment_bits & MORE_FRAGMENTS and len(datagram.body) > end:
        return True
    return (datagram.total is not None and end > datagram.total) or datagram.differs(at, data)


def _rebuilt(version: int, datagram: _Datagram, body: bytes) -> bytes:
    """One packet without fragmentation; its header checksum is not recomputed, for nobody sends it."""
    whole = bytearray(datagram.header)
    if version == 4:
        whole[2:4] = (len(whole) + len(body)).to_bytes(2, "big")
        whole[6:8] = b"\0\0"
    else:
        whole = whole[:40]
        whole[4:6] = len(body).to_bytes(2, "big")
        whole[6] = datagram.protocol
    return bytes(whole) + body
