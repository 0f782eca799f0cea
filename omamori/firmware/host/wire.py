"""Packets of our own, put on the wire at a port of the bridge.

A frame sent here leaves by that port at once: the bridge, netfilter and so our own queues never see it. The receiver's
hardware address is that of the packet answered, or was seen in earlier packets of the same VLAN. Sending is best effort and bounded in rate;
nothing here raises after the sockets were opened. Without the permission to open them there is no wire, and nothing is sent.
"""

import contextlib
import socket
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

_NEIGHBOURS: Final = 4096
_RATE: Final = 2000.0
"""Frames a second, so that a flood of attacks is not answered by a flood."""
_PROTOCOLS: Final = {4: 0x0800, 6: 0x86DD}
_TAGGED: Final = 0x8100
_MOST_PORTS: Final = 8
_VLAN: Final = 0xFFF
"""The part of a tag that tells networks apart; the rest is priority."""


class Wire:
    """Raw sockets on the bridge's ports; for one that joined later, a radio, at its first packet."""

    def __init__(self, ports: Sequence[int]) -> None:
        """`ports` are interface indexes. Raises OSError."""
        self.sent = self.unsent = 0
        self._neighbours: OrderedDict[bytes, bytes] = OrderedDict()
        self._sockets: dict[int, socket.socket] = {}
        self._budget, self._filled = _RATE, time.monotonic()
        try:
            for port in ports:
                self._sockets[port] = _bound(port)
        except OSError:
            self.close()
            raise

    def learn(self, address: bytes, hardware: bytes, tag: int = 0) -> None:
        """A packet from this IP address came from this hardware address, with this tag control (802.1Q) where it is not 0."""
        known, key = self._neighbours, _key(address, tag)
        if known.get(key) != hardware:
            known[key] = hardware
            if len(known) > _NEIGHBOURS:
                known.popitem(last=False)

    def neighbour(self, address: bytes, tag: int = 0) -> bytes | None:
        """Who was last seen with this address, there."""
        return self._neighbours.get(_key(address, tag))

    def send(self, port: int, packet: bytes, to: bytes | None, tag: int = 0) -> bool:
        """Send an IP packet out of `port`, with this tag control where it is not 0. False where that cannot be: no such port, no receiver, too many."""
        done = len(to or b"") >= 6 and self._affordable() and self._opened(port)
        if done:
            done = self._put(self._sockets[port], packet, (to or b"")[:6], tag)
        self.sent += done
        self.unsent += not done
        return done

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()

    def _put(self, port: socket.socket, packet: bytes, to: bytes, tag: int) -> bool:
        """As from the host that the packet says it is from, so that switches learn nothing wrong; else as from the port."""
        version = packet[0] >> 4
        source = packet[12:16] if version == 4 else packet[8:24]
        sender = self.neighbour(source, tag) or port.getsockname()[4]
        tagged = _TAGGED.to_bytes(2, "big") + tag.to_bytes(2, "big") if tag else b""
        frame = to + sender[:6] + tagged + _PROTOCOLS[version].to_bytes(2, "big") + packet
        with contextlib.suppress(OSError):
            port.send(frame)
            return True
        return False

    def _opened(self, port: int) -> bool:
        if port in self._sockets:
            return True
        if port <= 0 or len(self._sockets) >= _MOST_PORTS:
            return False
        try:
            self._sockets[port] = _bound(port)
        except OSError:
            return False
        return True

    def _affordable(self) -> bool:
        now = time.monotonic()
        self._budget = min(_RATE, self._budget + (now - self._filled) * _RATE)
        self._filled = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


def _key(address: bytes, tag: int) -> bytes:
    """The same address in two VLANs is two hosts."""
    return (tag & _VLAN).to_bytes(2, "big") + address if tag & _VLAN else address


def _bound(port: int) -> socket.socket:
    """Protocol 0: it receives nothing."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    try:
        made.bind((socket.if_indextoname(port), 0))
    except OSError:
        made.close()
        raise
    return made
