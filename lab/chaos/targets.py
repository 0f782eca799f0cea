"""What hostile bytes are tried on: everything in the unit that reads what others wrote."""

import itertools
import os
import struct
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.chaos import documents, feeds, files, neighbours
from lab.chaos.fuzz import Target
from lab.chaos.packets import tcp, udp
from lab.chaos.seeds import RULES, build_pack
from omamori.firmware.engine.applications.dns_refusal import refused
from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.host.nfqueue import parse_packet
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.antivirus_lists import parse_malware
from omamori.firmware.signatures.container import PackError
from omamori.firmware.signatures.lists import ListError, parse_list
from omamori.firmware.signatures.suricata.files import parse_rules
from omamori.protocol.vocabulary import Guard

_DNS = (
    struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 1)
    + b"\3www\7example\0\0\1\0\1"
    + b"\0"
    + struct.pack("!HHIH", 41, 1232, 0, 0)
)
_HELLO = bytes.fromhex(
    "160301006a010000660303" + "11" * 32 + "00" + "0004130113020100" + "0039"
    "0000001400120000" "0f7777772e666973682e6578616d70" "000a00040002001d" "000d000400020403" "0010000b000908687474702f312e31" "002b0003020304"
)  # fmt: skip
_MAIL = (
    b'From: a@x.example\r\nTo: b@y.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    b'Content-Type: application/zip; name="a.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBBQAAAAIAAAAIQ==\r\n--b\r\n'
    b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx=3Dy=\r\n\r\nbegin 644 a\r\n#0V%T\r\n`\r\nend\r\n--b--\r\n"
)  # fmt: skip
_TO_SERVER = {
    "http": (80, b"POST /a?b=%41 HTTP/1.1\r\nHost: www.bad.example\r\nTransfer-Encoding: chunked\r\nCookie: a=b\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
    "http2": (80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000" "00000d010500000001" "828684418aa0e41d139d09b8f01e07")),
    "tls": (443, _HELLO),
    "dns": (53, len(_DNS).to_bytes(2, "big") + _DNS),
    "smtp": (25, b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n" + _MAIL + b"\r\n.\r\nQUIT\r\n"),
    "pop3": (110, b"USER a\r\nPASS b\r\nRETR 1\r\nQUIT\r\n"),
    "imap": (143, b"a LOGIN a b\r\nb FETCH 1 BODY[]\r\nc APPEND x {5}\r\nhello\r\n"),
    "ftp": (21, b"USER a\r\nPASS b\r\nPASV\r\nRETR x.zip\r\nPORT 192,168,1,20,4,1\r\nSTOR y\r\n"),
    "ssh": (22, b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(40)),
}  # fmt: skip
_TO_CLIENT = {
    "http": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\3KLJ\6\0\xc2A$5\3\0\0\0HTTP/1.1 404 N\r\n\r\n",
    "http2": bytes.fromhex("000000040000000000" "000001010400000001" "88" "000005000100000001") + b"hello",
    "tls": bytes.fromhex("160303003d0200003903" + "03" + "22" * 32 + "00130100" "0011" "00000000ff01000100" "0b00020100" "0017"),
    "dns": len(_DNS).to_bytes(2, "big") + _DNS[:2] + b"\x81\x80" + _DNS[4:],
    "smtp": b"220 x\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n",
    "pop3": b"+OK\r\n+OK\r\n+OK\r\n+OK 100 octets\r\n" + _MAIL + b"\r\n.\r\n+OK\r\n",
    "imap": b"* OK\r\na OK\r\n* 1 FETCH (BODY[] {%d}\r\n" % len(_MAIL) + _MAIL + b")\r\nb OK\r\n+ go\r\n",
    "ftp": b"220 x\r\n331 x\r\n230 x\r\n227 Entering Passive Mode (203,0,113,9,4,2)\r\n150 x\r\n226 x\r\n",
    "ssh": b"SSH-2.0-x\r\n" + bytes(40),
}  # fmt: skip
_SPLIT = b"\0|\0"
"""Between what goes to the server and what comes back, in the input of a stream."""


def targets() -> list[Target]:
    """All of them."""
    streams = [Target(f"stream-{name}", lambda name=name: _stream_seeds(name), lambda name=name: _stream(name)) for name in _TO_SERVER]  # type: ignore[misc]  # fmt: skip
    return [
        Target("packets", _packet_seeds, _packets),
        Target("datagrams", lambda: [_DNS, b"\xc3\0\0\0\1\x08" + bytes(40)], _datagrams),
        *streams,
        *files.targets(),
        *neighbours.targets(),
        *documents.targets(),
        *feeds.targets(),
        Target("dns-refusal", lambda: [_DNS], lambda: refused),
        Target("netlink", _netlink_seeds, lambda: lambda data: parse_packet(memoryview(data))),
        Target(
            "rules",
            lambda: [RULES, *(line + b"\n" for line in RULES.splitlines() if line)],
            lambda: parse_rules,
        ),
        Target(
            "signatures",
            _signature_seeds,
            lambda: lambda data: parse_malware(data.decode("utf-8", "replace")),
        ),
        Target("lists", lambda: [b"bad.example\n0.0.0.0 x.example\n||y.example^\n"], _lists, (ListError,)),
        Target("packs", _pack_seeds, _packs, (PackError, OSError)),
    ]


def _signatures() -> Signatures:
    from omamori.firmware.engine.ips.ruleset import RuleSet

    rules = parse_rules(RULES).rules
    return Signatures(RuleSet.build(rules), {Guard.WG: build_table([("bad.example", "phishing")])})


def _engine() -> Engine:
    return Engine(_signatures(), Settings(flows=200))


def _packet_seeds() -> Sequence[bytes]:
    http = _TO_SERVER["http"][1]
    return [
        tcp(http, to_server=True, port=80, sequence=1),
        udp(_DNS, to_server=True, port=53),
        bytes.fromhex("6000000000100600") + bytes(32) + tcp(b"", to_server=True, port=80, sequence=1)[20:],
        b"\x45\0\0\x30\0\1\x20\0\x40\x11\0\0" + bytes(36),
    ]


def _packets() -> Callable[[bytes], object]:
    engine, clock = _engine(), itertools.count()

    def take(data: bytes) -> object:
        now = next(clock) / 50
        engine.tick(now)
        engine.take_detections()
        return engine.packet(data, now=now, from_inside=bool(len(data) & 1), rewriting=bool(len(data) & 2))

    return take


def _datagrams() -> Callable[[bytes], object]:
    take, ports = _packets(), itertools.cycle((53, 443, 80, 123))
    return lambda data: take(udp(data[:60_000], to_server=True, port=next(ports)))


def _stream_seeds(name: str) -> Sequence[bytes]:
    return [_TO_SERVER[name][1] + _SPLIT + _TO_CLIENT[name], _TO_SERVER[name][1], _SPLIT + _TO_CLIENT[name]]


def _stream(name: str) -> Callable[[bytes], object]:
    """Each input is a new connection, in segments of changing size."""
    engine, clock, numbers, port = (
        _engine(),
        itertools.count(),
        itertools.count(1, 1 << 24),
        _TO_SERVER[name][0],
    )

    def take(data: bytes) -> None:
        there, _, back = data.partition(_SPLIT)
        base, size = next(numbers), max(1 + len(data) % 1460, len(data) // 2000)
        engine.packet(
            tcp(b"", to_server=True, port=port, sequence=base, flags=2),
            now=next(clock) / 50,
            from_inside=True,
        )
        for way, part in ((False, back[:200]), (True, there), (False, back[200:])):
            start = base + 1 if way else 1 if part is back[:200] else 1 + len(back[:200])
            for at in range(0, len(part), size):
                segment = tcp(part[at : at + size], to_server=way, port=port, sequence=start + at)
                engine.packet(segment, now=next(clock) / 50, from_inside=way, rewriting=True)
        engine.flush(next(clock) / 50)
        engine.take_detections()

    return take


def _netlink_seeds() -> Sequence[bytes]:
    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)

    body = (
        struct.pack(">BBH", 2, 0, 5)
        + attribute(1, struct.pack(">IHB", 7, 0x0800, 2))
        + attribute(4, bytes(16))
    )
    body += attribute(9, bytes(12)) + attribute(10, b"packet")
    return [struct.pack("=IHHII", 16 + len(body), 0x0300, 0, 0, 0) + body]


def _signature_seeds() -> Sequence[bytes]:
    return [
        b"Test.A:0:*:41424344*4546{2-9}47\nTest.B:3:EOF-100:414243(44|45)4647??48\n",
        b"Test.C;Engine:51-255,Target:0;(0&1)>2,1;41424344;45464748::i\n",
        b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n" + b"a" * 64 + b":*:Test.D:73\n",
    ]


def _lists() -> Callable[[bytes], object]:
    return lambda data: parse_list(data.decode("utf-8", "replace").splitlines(), "phishing")


def _pack_seeds() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory(prefix="omamori-chaos-") as folder:
        path = Path(folder) / "seed.pack"
        build_pack(path, "1.0.0", ["bad.example"])
        return [path.read_bytes()]


def _packs() -> Callable[[bytes], object]:
    """Files in memory, for nobody cleans up behind a process that is killed."""

    def take(data: bytes) -> None:
        with os.fdopen(os.memfd_create("pack"), "wb") as file:
            file.write(data)
            file.flush()
            pack.load(Path(f"/proc/self/fd/{file.fileno()}"))

    return take
