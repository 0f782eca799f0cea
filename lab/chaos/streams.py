"""Hostile packets, and hostile bytes within honest connections of every protocol that the engine takes apart.

Whatever the bytes, an answer that rewrites a packet has its length, and nothing but a guard's match drops one.
"""

import itertools
import struct
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from lab.chaos.fuzz import Target
from lab.chaos.packets import tcp, udp
from lab.chaos.seeds import MALICIOUS, SPLIT, signatures
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.verdict import Rewrite

_QUESTION = b"\3www\4fish\7example\0\0\1\0\1"
DNS = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 1) + _QUESTION + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
_ANSWER = struct.pack("!HHHHHH", 7, 0x8180, 1, 2, 0, 0) + _QUESTION
_ANSWER += (
    b"\xc0\x0c"
    + struct.pack("!HHIH", 5, 1, 60, 4)
    + b"\1a\xc0\x10"
    + b"\xc0\x2e"
    + struct.pack("!HHIH", 1, 1, 60, 4)
    + bytes(4)
)
_MAIL = (
    b'From: a@x.example\r\nTo: b@y.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    b'Content-Type: application/octet-stream; name="a.exe"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + b64encode(b"MZ" + MALICIOUS * 3) + b"\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain; name*=utf-8''%41.txt\r\n\r\nx\r\n--b\r\n"
    b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx=3Dy=\r\n\r\nbegin 644 a\r\n#0V%T\r\n`\r\nend\r\n--b--\r\n"
)  # fmt: skip
_FORM = (
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.exe"\r\n\r\nMZ'
    + MALICIOUS
    + b"\r\n--b--\r\n"
)
_PORTS: Mapping[str, int] = {
    "http": 80, "http2": 80, "tls": 443, "dns": 53, "smtp": 25, "pop3": 110, "imap": 143, "ftp": 21, "ssh": 22,
}  # fmt: skip

_GREETING = frozenset(("smtp", "pop3", "imap", "ftp", "ssh"))
"""Where the server speaks first."""


def targets() -> list[Target]:
    """All of them."""
    named = [
        Target(f"stream-{name}", lambda name=name: seeds(name), lambda name=name: stream(name, engine()))  # type: ignore[misc]
        for name in _PORTS
    ]
    return [
        Target("packets", _packet_seeds, _packets),
        Target("datagrams", lambda: [DNS, _ANSWER, b"\xc3\0\0\0\1\x08" + bytes(40)], _datagrams),
        *named,
    ]


def engine() -> Engine:
    return Engine(signatures(), Settings(flows=200))


def stream(name: str, engine: Engine, *, emptied: bool = True) -> Callable[[bytes], object]:
    """Each input is a new connection: what goes to the server, and what comes back; in segments of changing size."""
    clock, numbers, port = itertools.count(), itertools.count(1, 1 << 24), _PORTS[name]

    def send(packet: bytes, *, to_server: bool) -> None:
        answer = engine.packet(packet, now=next(clock) / 50, from_inside=to_server, rewriting=True)
        if isinstance(answer, Rewrite) and len(answer.packet) != len(packet):
            raise AssertionError(f"{len(packet)} bytes became {len(answer.packet)}")

    def take(data: bytes) -> None:
        there, _, back = data.partition(SPLIT)
        base, size = next(numbers), max(1 + len(data) % 1460, len(data) // 2000)
        send(tcp(b"", to_server=True, port=port, sequence=base, flags=2), to_server=True)
        greeting = back.find(b"\n") + 1 if name in _GREETING else 0
        half = max(len(there) // 2, 200)
        parts = (
            (False, 1, back[:greeting]),
            (True, base + 1, there[:half]),
            (False, 1 + greeting, back[greeting:]),
            (True, base + 1 + half, there[half:]),
        )
        for way, start, part in parts:
            for at in range(0, len(part), size):
                send(tcp(part[at : at + size], to_server=way, port=port, sequence=start + at), to_server=way)
        engine.flush(next(clock) / 50)
        if emptied:
            engine.take_detections()

    return take


# --- packets ----------------------------------------------------------------------------------------------------------


def _packet_seeds() -> Sequence[bytes]:
    inner = udp(DNS, to_server=True, port=53)
    routed = bytes(4) + struct.pack("!H", 0x0800)
    six = bytes.fromhex("6000000000100600") + bytes(32)
    return [
        tcp(_TO_SERVER["http"](), to_server=True, port=80, sequence=1),
        inner,
        six + tcp(b"", to_server=True, port=80, sequence=1)[20:],
        bytes.fromhex("6000000000200040") + bytes(32) + bytes.fromhex("2b000100000000000600010400000000") + tcp(b"x", to_server=True, port=80, sequence=1)[20:],
        bytes.fromhex("6000000000182c40") + bytes(32) + bytes.fromhex("0600000100000007") + bytes(16),
        b"\x45\0\0\x30\0\1\x20\0\x40\x11\0\0" + bytes(36),
        b"\x45\0\0\x30\0\1\0\2\x40\x11\0\0" + bytes(36),
        udp(b"\x08" + bytes(7) + bytes(12) + b"\x08\0" + inner, to_server=True, port=4789),
        udp(bytes(2) + b"\x65\x58" + bytes(16) + b"\x08\0" + inner, to_server=True, port=6081),
        udp(six[:4] + b"\0\x10\x11\x40" + bytes(32) + inner[20:], to_server=True, port=3544),
        inner[:9] + b"\x2f" + inner[10:20] + routed[4:] + inner,
        inner[:9] + b"\x04" + inner[10:20] + inner,
        inner[:9] + b"\x01" + inner[10:20] + b"\3\3\0\0\0\0\0\0" + inner,
    ]  # fmt: skip


def _packets() -> Callable[[bytes], object]:
    guard, clock = engine(), itertools.count()

    def take(data: bytes) -> object:
        now = next(clock) / 50
        guard.tick(now)
        guard.take_detections()
        return guard.packet(data, now=now, from_inside=bool(len(data) & 1), rewriting=bool(len(data) & 2))

    return take


def _datagrams() -> Callable[[bytes], object]:
    take, ports = _packets(), itertools.cycle((53, 443, 80, 123, 3544, 4789, 6081))
    return lambda data: take(udp(data[:60_000], to_server=len(data) % 3 != 0, port=next(ports)))


# --- honest conversations ---------------------------------------------------------------------------------------------


def seeds(name: str) -> Sequence[bytes]:
    """Both ways, and each alone."""
    there, back = _TO_SERVER[name](), _TO_CLIENT[name]()
    return [there + SPLIT + back, there, SPLIT + back]


def hello() -> bytes:
    """A TLS client's first record."""
    name = b"www.fish.example"
    listed = b"\0" + struct.pack("!H", len(name)) + name
    parts = (
        (0, struct.pack("!H", len(listed)) + listed),
        (10, b"\0\2\0\x1d"),
        (13, b"\0\2\4\3"),
        (16, b"\0\x09\x08http/1.1"),
        (43, b"\2\3\4"),
    )
    extensions = b"".join(struct.pack("!HH", kind, len(body)) + body for kind, body in parts)
    body = (
        b"\3\3"
        + b"\x11" * 32
        + b"\0"
        + b"\0\4\x13\1\x13\2"
        + b"\1\0"
        + struct.pack("!H", len(extensions))
        + extensions
    )
    return _handshake((1, body))


def _handshake(*messages: tuple[int, bytes]) -> bytes:
    whole = b"".join(bytes([kind]) + len(body).to_bytes(3, "big") + body for kind, body in messages)
    return b"\x16\3\3" + struct.pack("!H", len(whole)) + whole


def _server_hello() -> bytes:
    der = certificate()
    chain = len(der).to_bytes(3, "big") + der
    hello = b"\3\3" + b"\x22" * 32 + b"\0" + b"\x13\1" + b"\0" + b"\0\x05" + b"\xff\1\0\1\0"
    return _handshake((2, hello), (11, len(chain).to_bytes(3, "big") + chain), (14, b""))


def certificate() -> bytes:
    """A server's, in DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding

    key, begin = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), datetime(2026, 1, 1, tzinfo=UTC)
    name = x509.Name.from_rfc4514_string("CN=fish.example,O=Fish,C=JP")
    names = x509.SubjectAlternativeName([x509.DNSName("fish.example"), x509.DNSName("*.fish.example")])
    built = x509.CertificateBuilder(
        name, name, key.public_key(), 7, begin, begin + timedelta(days=90)
    ).add_extension(names, critical=False)
    return built.sign(key, None).public_bytes(Encoding.DER)


def _frames(*frames: tuple[int, int, int, bytes]) -> bytes:
    return b"".join(len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body for kind, flags, stream, body in frames)  # fmt: skip


_TO_SERVER: Mapping[str, Callable[[], bytes]] = {
    "http": lambda: b"POST /a?b=%%41 HTTP/1.1\r\nHost: www.fish.example\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\nTransfer-Encoding: chunked\r\n"
    b"Cookie: a=b\r\n\r\n5\r\nhello\r\n0\r\n\r\nPOST /u HTTP/1.1\r\nHost: b\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_FORM) + _FORM + b"GET / HTTP/1.1\r\nRange: bytes=2-\r\n\r\n",
    "http2": lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frames((4, 0, 0, b""), (1, 5, 1, bytes.fromhex("8286844188aa69d29ac4b9ec9b")), (1, 4, 3, b"\x83\x86\x84\x41\1a"), (0, 1, 3, MALICIOUS)),
    "tls": hello,
    "dns": lambda: len(DNS).to_bytes(2, "big") + DNS,
    "smtp": lambda: b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n" + _MAIL + b"\r\n.\r\nMAIL FROM:<c@x>\r\nRCPT TO:<b@y>\r\nBDAT 7 LAST\r\na: b\r\n\r\nQUIT\r\n",
    "pop3": lambda: b"USER a\r\nPASS b\r\nRETR 1\r\nQUIT\r\n",
    "imap": lambda: b"a LOGIN a b\r\nb FETCH 1 BODY[]\r\nc APPEND x {%d}\r\n" % len(_MAIL) + _MAIL + b"\r\n",
    "ftp": lambda: b"USER a\r\nPASS b\r\nPASV\r\nRETR x.zip\r\nPORT 192,168,1,20,4,1\r\nEPSV\r\nEPRT |2|2001:db8::1|5282|\r\nSTOR y\r\n",
    "ssh": lambda: b"SSH-2.0-OpenSSH_9.2\r\n" + bytes.fromhex("0000001c0614") + bytes(16) + b"\0\0\0\2ab" * 10 + bytes(5),
}  # fmt: skip
_TO_CLIENT: Mapping[str, Callable[[], bytes]] = {
    "http": lambda: b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\nMZ" + MALICIOUS + b"..HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n19\r\n\x1f\x8b\x08\0\0\0\0\0\0\3\xcbH\xcd\xc9\xc9\7\0\x86\xa6\x106\5\0\0\0\r\n0\r\nX: y\r\n\r\nHTTP/1.1 404 N\r\n\r\n",
    "http2": lambda: _frames((4, 0, 0, b""), (1, 4, 1, b"\x88\x5f\1a"), (0, 1, 1, b"MZ" + MALICIOUS), (7, 0, 0, bytes(8))),
    "tls": _server_hello,
    "dns": lambda: len(_ANSWER).to_bytes(2, "big") + _ANSWER,
    "smtp": lambda: b"220 x\r\n250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n" + b"250 ok\r\n" * 5,
    "pop3": lambda: b"+OK\r\n+OK\r\n+OK\r\n+OK 100 octets\r\n" + _MAIL + b"\r\n.\r\n+OK\r\n",
    "imap": lambda: b"* OK ready\r\na OK done\r\n* 1 FETCH (BODY[] {%d}\r\n" % len(_MAIL) + _MAIL + b")\r\nb OK\r\n+ go\r\n",
    "ftp": lambda: b"220 x\r\n331 x\r\n230 x\r\n227 Entering Passive Mode (203,0,113,9,4,2)\r\n150 x\r\n226 x\r\n229 Extended (|||5282|)\r\n",
    "ssh": lambda: b"SSH-2.0-x\r\n" + bytes(40),
}  # fmt: skip
