"""IPv4 packets for hostile input, made by hand: the engine checks no checksums, so they have none."""

import struct

CLIENT, SERVER = bytes((192, 168, 1, 20)), bytes((203, 0, 113, 9))


def tcp(payload: bytes, *, to_server: bool, port: int, sequence: int, flags: int = 0x18) -> bytes:
    """A segment between the client's port 40000 and the server's `port`."""
    ports = (40_000, port) if to_server else (port, 40_000)
    head = struct.pack("!HHIIBBHHH", *ports, sequence % 2**32, 1, 5 << 4, flags, 0xFFFF, 0, 0)
    return _ip(6, head + payload, to_server=to_server)


def udp(payload: bytes, *, to_server: bool, port: int) -> bytes:
    """A datagram, likewise."""
    ports = (40_000, port) if to_server else (port, 40_000)
    return _ip(17, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload, to_server=to_server)


def _ip(protocol: int, body: bytes, *, to_server: bool) -> bytes:
    ends = (CLIENT, SERVER) if to_server else (SERVER, CLIENT)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + b"".join(ends) + body
