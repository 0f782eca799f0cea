"""What rules see of an inspection: buffers with transforms applied and in lower case, each made at most once, when first asked for."""

from collections.abc import Sequence

from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips.encodings import transformed
from omamori.firmware.engine.ips.moments import HEADER_BUFFERS
from omamori.firmware.engine.packet import Packet


class View:
    """One value of a buffer."""

    __slots__ = ("_lower", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._lower: bytes | None = None

    @property
    def lower(self) -> bytes:
        if self._lower is None:
            self._lower = self.data.lower()
        return self._lower


class Views:
    """For one inspection."""

    __slots__ = ("_buffers", "_made", "_packet", "_whole")

    def __init__(self, inspection: Inspection) -> None:
        self._buffers = inspection.buffers
        self._whole = inspection.packet if _is_senders(inspection) else None
        self._packet = inspection.packet if inspection.moment is Moment.PACKET else None
        self._made: dict[tuple[str, tuple[tuple[str, str], ...]], list[View]] = {}

    def values(self, name: str, transforms: tuple[tuple[str, str], ...]) -> Sequence[View]:
        """Of each value; none where the buffer is not there."""
        key = (name, transforms)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = [View(data) for data in self._raw(name, transforms)]
        return made

    def payload(self) -> Sequence[View]:
        """The packet's payload, at whatever moment."""
        if "payload" in self._buffers or self._whole is None or not self._whole.payload:
            return self.values("payload", ())
        return (View(self._whole.payload),)

    def _raw(self, name: str, transforms: tuple[tuple[str, str], ...]) -> Sequence[bytes]:
        values: Sequence[bytes] = self._buffers.get(name, ())
        if not values and self._packet is not None and name in HEADER_BUFFERS:
            header = header_bytes(self._packet, name)
            values = (header,) if header else ()
        return [transformed(bytes(value), transforms) for value in values] if transforms else values


def _is_senders(inspection: Inspection) -> bool:
    """The packet came from the sender of the data: an acknowledgement can make the other side's data known, too."""
    packet, flow = inspection.packet, inspection.flow
    if packet is None:
        return False
    sender = (flow.client, flow.client_port) if inspection.to_server else (flow.server, flow.server_port)
    return (packet.source, packet.source_port) == sender


def header_bytes(packet: Packet, name: str) -> bytes:
    """A header of the packet; empty where it has no such one."""
    protocol, _ = name.split(".")
    if protocol in ("ipv4", "ipv6"):
        return packet.data[: packet.transport_at] if packet.version == int(protocol[3]) else b""
    wanted = "icmp" if protocol == "icmpv4" else protocol
    return packet.data[packet.transport_at : packet.payload_at] if packet.protocol_name == wanted else b""
