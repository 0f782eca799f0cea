"""Carries out what the engine wants the two ends of a stopped packet to be told.

A reply back to the sender goes out of the port the packet came in by, with the VLAN tag it came with. A single reply onward takes the packet's own place, so
that it has the right hardware addresses and VLAN tag without our knowing them; where that cannot be (several replies, or a
packet that stands for many segments) it goes on the wire to the hardware address the receiver was last seen with.
"""

from collections.abc import Sequence

from omamori.firmware.engine.verdict import Reply
from omamori.firmware.host.nfqueue import QueuedPacket
from omamori.firmware.host.rules import TAG_SHIFT
from omamori.firmware.host.wire import Wire


class Replies:
    """Of one worker."""

    def __init__(self, wire: Wire | None) -> None:
        self._wire = wire

    def seen(self, packet: QueuedPacket) -> None:
        """Call for every packet: who is where."""
        if self._wire is not None and packet.hardware_source:
            data = packet.data
            source = data[12:16] if data[0] >> 4 == 4 else data[8:24]
            self._wire.learn(source, packet.hardware_source, packet.mark >> TAG_SHIFT)

    def deliver(self, packet: QueuedPacket, replies: Sequence[Reply]) -> bytes | None:
        """Sends all; returns the one that is to go in the packet's place, if there is one."""
        onward = [reply for reply in replies if reply.onward]
        in_place = onward[0].packet if len(onward) == 1 and not packet.segmented else None
        tag = packet.mark >> TAG_SHIFT
        for reply in replies:
            if not reply.onward:
                self._send(packet.in_port, reply.packet, packet.hardware_source, tag)
            elif in_place is None:
                self._send(packet.out_port, reply.packet, self._receiver(packet.data, tag), tag)
        return in_place

    def _receiver(self, data: bytes, tag: int) -> bytes | None:
        address = data[16:20] if data[0] >> 4 == 4 else data[24:40]
        return self._wire.neighbour(address, tag) if self._wire is not None else None

    def _send(self, port: int, packet: bytes, to: bytes | None, tag: int) -> None:
        if self._wire is not None:
            self._wire.send(port, packet, to, tag)
