"""Captures made on the spot: what an office does every day, which no pack may match, and one thing that each must.

They stand in where no recorded traffic is at hand, and are small enough to travel in a pack. Addresses and names are those
set aside for documentation (RFC 5737, RFC 2606). Checksums are zero: a replay does not look at them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import pack

from omamori.firmware.signatures.antivirus_lists import eicar

_PC, _SERVER, _NAMES = b"\xc0\xa8\x01\x05", b"\xcb\x00\x71\x09", b"\xc6\x33\x64\x35"
_BEGIN = 1_700_000_000.0
_SYN, _SYN_ACK, _ACK, _PUSH, _FIN = 0x02, 0x12, 0x10, 0x18, 0x11
_RAW_IP = 101
_PAGE = b"<!doctype html><title>Example</title><p>Opening hours: nine to five, closed on holidays.</p>" * 12
_NAME = b"\3www\7example\7invalid\0"


@dataclass(frozen=True, slots=True)
class Made:
    """A capture file's bytes, and whether a pack with our test signature must find something in it."""

    name: str
    content: bytes
    matches: bool


def captures(*, with_test_file: bool) -> list[Made]:
    """The same bytes each time."""
    made = [
        Made("everyday-names", capture(_lookup()), matches=False),
        Made("everyday-web", capture(_tcp(80, _page(_PAGE, b"text/html"))), matches=False),
        Made("everyday-mail", capture(_tcp(25, _mail())), matches=False),
        Made("everyday-tls", capture(_tcp(443, [(True, _hello(b"www.example.invalid"))])), matches=False),
    ]
    if with_test_file:
        body = bytes.fromhex(eicar().body)
        found = capture(_tcp(80, _page(body, b"application/octet-stream")))
        made.append(Made("test-file-by-http", found, matches=True))
    return made


def capture(packets: Iterable[bytes]) -> bytes:
    """A pcap file (draft-ietf-opsawg-pcap) of IP packets, ten milliseconds apart."""
    head = pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _RAW_IP)
    return head + b"".join(_record(number, packet) for number, packet in enumerate(packets))


def _record(number: int, packet: bytes) -> bytes:
    seconds, hundredths = divmod(number, 100)
    return pack("<IIII", int(_BEGIN) + seconds, hundredths * 10_000, len(packet), len(packet)) + packet


def _page(body: bytes, kind: bytes) -> list[tuple[bool, bytes]]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
    asked = (
        b"GET /hours HTTP/1.1\r\nHost: www.example.invalid\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n"
    )
    return [(True, asked), (False, head + body)]


def _mail() -> list[tuple[bool, bytes]]:
    text = b"From: a@example.invalid\r\nTo: b@example.invalid\r\nSubject: Lunch\r\n\r\nAt noon?\r\n.\r\n"
    return [
        (False, b"220 mail.example.invalid ESMTP\r\n"),
        (True, b"EHLO pc.example.invalid\r\n"),
        (False, b"250 mail.example.invalid\r\n"),
        (True, b"MAIL FROM:<a@example.invalid>\r\n"),
        (False, b"250 OK\r\n"),
        (True, b"RCPT TO:<b@example.invalid>\r\n"),
        (False, b"250 OK\r\n"),
        (True, b"DATA\r\n"),
        (False, b"354 Go ahead\r\n"),
        (True, text),
        (False, b"250 OK\r\n"),
        (True, b"QUIT\r\n"),
        (False, b"221 Bye\r\n"),
    ]


def _hello(name: bytes) -> bytes:
    """A TLS 1.2 client hello (RFC 5246, 7.4.1.2) with a server name (RFC 6066, 3)."""
    server = pack("!HBH", len(name) + 3, 0, len(name)) + name
    extensions = pack("!HH", 0, len(server)) + server
    suites = b"\xc0\x2f\xc0\x30\x00\x9c"
    body = b"\3\3" + bytes(range(32)) + b"\0" + pack("!H", len(suites)) + suites + b"\1\0"
    body += pack("!H", len(extensions)) + extensions
    handshake = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + pack("!H", len(handshake)) + handshake


def _lookup() -> Iterator[bytes]:
    question = _NAME + pack("!HH", 1, 1)
    yield _udp(True, pack("!HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + question)
    answer = b"\xc0\x0c" + pack("!HHIH", 1, 1, 300, 4) + _SERVER
    yield _udp(False, pack("!HHHHHH", 0x1234, 0x8180, 1, 1, 0, 0) + question + answer)


def _udp(outward: bool, payload: bytes) -> bytes:  # noqa: FBT001 - a direction
    ports = (40_053, 53) if outward else (53, 40_053)
    return _ip(17, outward, _NAMES, pack("!HHHH", *ports, 8 + len(payload), 0) + payload)


def _tcp(port: int, turns: Iterable[tuple[bool, bytes]]) -> Iterator[bytes]:
    """A whole connection: opened, every turn acknowledged, closed by the PC."""
    at = {True: 1000, False: 5000}

    def segment(outward: bool, flags: int, payload: bytes = b"") -> bytes:  # noqa: FBT001 - a direction
        ports = (40_000, port) if outward else (port, 40_000)
        acknowledged = at[not outward] if flags & _ACK else 0
        header = pack("!HHIIBBHHH", *ports, at[outward], acknowledged, 5 << 4, flags, 0xFFFF, 0, 0)
        at[outward] += len(payload) + bool(flags & (_SYN | 1))
        return _ip(6, outward, _SERVER, header + payload)

    yield from (segment(True, _SYN), segment(False, _SYN_ACK), segment(True, _ACK))
    for outward, payload in turns:
        yield segment(outward, _PUSH, payload)
        yield segment(not outward, _ACK)
    yield from (segment(True, _FIN), segment(False, _FIN), segment(True, _ACK))


def _ip(protocol: int, outward: bool, other: bytes, body: bytes) -> bytes:  # noqa: FBT001 - a direction
    ends = _PC + other if outward else other + _PC
    return pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0) + ends + body
