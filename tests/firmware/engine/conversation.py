"""Conversations as packets, built by dpkt: what the tests feed to an engine."""

import socket
from dataclasses import dataclass, field

import dpkt

from omamori.firmware.engine.packet import Packet, parse

PC, SITE = "192.168.1.20", "203.0.113.9"


def _ip(source, destination, protocol, body):
    if ":" in source:
        packed = [socket.inet_pton(socket.AF_INET6, address) for address in (source, destination)]
        return bytes(
            dpkt.ip6.IP6(src=packed[0], dst=packed[1], nxt=protocol, plen=len(body), hlim=64, data=body)
        )
    packed = [socket.inet_aton(address) for address in (source, destination)]
    header = dpkt.ip.IP(src=packed[0], dst=packed[1], p=protocol, data=body, ttl=64)
    header.len = 20 + len(body)
    return bytes(header)


def datagram(source, destination, source_port, destination_port, payload):
    body = dpkt.udp.UDP(sport=source_port, dport=destination_port, ulen=8 + len(payload), data=payload)
    body.sum = 1
    return _ip(source, destination, 17, bytes(body))


@dataclass
class Tcp:
    """One connection; each method makes the next packet of one side, and remembers the sequence numbers."""

    client: str = PC
    server: str = SITE
    client_port: int = 40_000
    server_port: int = 80
    sequences: dict[bool, int] = field(default_factory=lambda: {True: 1000, False: 0xFFFF_FF00})

    def packet(self, *, to_server, payload=b"", flags=0x18, sequence=None):
        ends = [(self.client, self.client_port), (self.server, self.server_port)]
        (source, source_port), (destination, destination_port) = ends if to_server else reversed(ends)
        at = self.sequences[to_server] if sequence is None else sequence
        segment = dpkt.tcp.TCP(
            sport=source_port,
            dport=destination_port,
            seq=at % 2**32,
            ack=self.sequences[not to_server] % 2**32 if flags & 0x10 else 0,
            flags=flags,
            data=payload,
        )
        if sequence is None:
            self.sequences[to_server] += len(payload) + bool(flags & 3)
        return _ip(source, destination, 6, bytes(segment))

    def handshake(self):
        return [
            self.packet(to_server=True, flags=2),
            self.packet(to_server=False, flags=0x12),
            self.packet(to_server=True, flags=0x10),
        ]

    def say(self, payload, *, to_server, size=1460):
        return [
            self.packet(to_server=to_server, payload=payload[at : at + size])
            for at in range(0, len(payload), size)
        ]


class Unit:
    """An engine with the kernel's part played around it: what is blocked stays blocked, what is suspect comes again."""

    def __init__(self, engine, inside=PC):
        self.engine = engine
        self.inside = parse(_ip(inside, SITE if ":" not in inside else inside, 99, b"")).source
        self.now = 1_700_000_000.0
        self.verdicts = []

    def feed(self, packets, *, rewriting=False):
        """What comes out on the other side."""
        out = []
        for data in packets:
            out += self._one(data, rewriting=rewriting)
        return out

    def _one(self, data, *, rewriting):
        self.now += 0.001
        from_inside = parse(data).source == self.inside
        verdict = self.engine.packet(data, now=self.now, from_inside=from_inside, rewriting=rewriting)
        self.verdicts.append(verdict)
        kind = type(verdict).__name__
        if kind == "Suspect":
            assert not rewriting
            return [piece for part in segmented(data) for piece in self._one(part, rewriting=True)]
        if kind == "Rewrite":
            assert len(verdict.packet) == len(data)
            return [verdict.packet]
        return [] if kind in ("Block", "Drop") else [data]

    @property
    def last(self):
        return type(self.verdicts[-1]).__name__


def segmented(data, size=1460):
    """A packet as the kernel cuts it up before a queue without segmentation offload."""
    packet: Packet = parse(data)
    if packet.protocol != 6 or len(packet.payload) <= size:
        return [data]
    head = data[: packet.payload_at]
    parts = []
    for at in range(0, len(packet.payload), size):
        payload = packet.payload[at : at + size]
        part = bytearray(head + payload)
        part[packet.transport_at + 4 : packet.transport_at + 8] = ((packet.sequence + at) % 2**32).to_bytes(
            4, "big"
        )
        length = len(part) if packet.version == 4 else len(part) - 40
        part[2 if packet.version == 4 else 4 : 4 if packet.version == 4 else 6] = length.to_bytes(2, "big")
        parts.append(bytes(part))
    return parts


def received(packets, *, start=None):
    """What a receiver hands to its application: in order from the start, the first copy of each byte, up to a hole.

    `start` is the first sequence number; without it that of the first packet with payload.
    """
    first: dict[int, int] = {}
    for data in packets:
        packet = parse(data)
        if packet.payload:
            start = packet.sequence if start is None else start
            at = (packet.sequence - start + 2**31) % 2**32 - 2**31
            for index, byte in enumerate(packet.payload):
                first.setdefault(at + index, byte)
    whole = bytearray()
    while len(whole) in first:
        whole.append(first[len(whole)])
    return bytes(whole)
