"""What rules see of an inspection: buffers with transforms applied and in lower case, each made at most once."""

from collections.abc import Sequence

from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips.encodings import transformed
from omamori.firmware.engine.ips.moments import HEADER_BUFFERS
from omamori.firmware.engine.packet import Packet


class Views:
    """For one inspection."""

    __slots__ = ("_buffers", "_made", "_packet")

    def __init__(self, inspection: Inspection) -> None:
        self._buffers = inspection.buffers
        self._packet = inspection.packet if inspection.moment is Moment.PACKET else None
        self._made: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[bytes, bytes]]] = {}

    def values(self, name: str, transforms: tuple[tuple[str, str], ...]) -> Sequence[tuple[bytes, bytes]]:
        """(data, data in lower case) of each value; none where the buffer is not there."""
        key = (name, transforms)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = [(data, data.lower()) for data in self._raw(name, transforms)]
        return made

    def _raw(self, name: str, transforms: tuple[tuple[str, str], ...]) -> Sequence[bytes]:
        values: Sequence[bytes] = self._buffers.get(name, ())
        if not values and self._packet is not None and name in HEADER_BUFFERS:
            header = header_bytes(self._packet, name)
            values = (header,) if header else ()
        return [transformed(bytes(value), transforms) for value in values] if transforms else values


def header_bytes(packet: Packet, name: str) -> bytes:
    """A header of the packet; empty where it has no such one."""
    protocol, _ = name.split(".")
    if protocol in ("ipv4", "ipv6"):
        return packet.data[: packet.transport_at] if packet.version == int(protocol[3]) else b""
    wanted = "icmp" if protocol == "icmpv4" else protocol
    return packet.data[packet.transport_at : packet.payload_at] if packet.protocol_name == wanted else b""
