"""Hostile input behind what would keep chance out: QUIC's encryption, sequence numbers and fragment offsets, hashes of a pack's members;
and rules and signatures that load are tried on data, for what is accepted must answer as well.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lab.chaos import streams
from lab.chaos.fuzz import Target
from lab.chaos.packets import tcp, udp
from lab.chaos.seeds import DOWNLOAD, MALICIOUS, RULES, SPLIT, STREAM_RULES, build_pack
from omamori.firmware.engine.antivirus import Antivirus, Limits, Pool
from omamori.firmware.engine.applications import certificate, quic
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.malware.hashes import HashSet
from omamori.firmware.engine.naming.namer import Limits as NamingLimits
from omamori.firmware.engine.naming.namer import Namer
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.host import conntrack, nflog
from omamori.firmware.signatures import pack, texts
from omamori.firmware.signatures.antivirus_lists import Combined, KnownFile, Malware, parse_malware
from omamori.firmware.signatures.container import Altered, PackError
from omamori.firmware.signatures.suricata.files import parse_rules

_CONNECTION = bytes.fromhex("8394c8f03e515708")
_QUIC_ROOM = 1162
_MANIFEST = "manifest.json"


def targets() -> list[Target]:
    """All of them."""
    return [
        Target("quic", hello_frames, lambda: quic_datagrams(streams.engine())),
        Target("segments", _segment_seeds, _segments),
        Target("fragments", _fragment_seeds, _fragments),
        Target("certificates", lambda: [streams.certificate()], lambda: certificate.parse),
        Target("naming", _naming_seeds, _naming),
        Target("kernel-tables", _kernel_seeds, lambda: _kernel),
        Target("rules-at-work", _rule_seeds, lambda: _rules_at_work),
        Target("signatures-at-work", _malware_seeds, lambda: _signatures_at_work),
        Target("rule-texts", lambda: [texts.dump_lines(RULES.splitlines() * 9)], lambda: _texts, (Altered,)),
        Target("pack-members", _member_seeds, _pack_members, (PackError,)),
    ]


# --- packets that fit together ----------------------------------------------------------------------------------------


def hello_frames() -> Sequence[bytes]:
    """A client's hello as QUIC's frames carry it: whole, and in two pieces with the second first."""
    record = streams.hello()[5:]

    def crypto(at: int, data: bytes) -> bytes:
        return b"\6" + struct.pack("!HH", 0x4000 | at, 0x4000 | len(data)) + data

    return [crypto(0, record), crypto(60, record[60:]) + b"\1\2\0\0\0\0" + crypto(0, record[:60])]


def quic_datagrams(guard: Engine, *, emptied: bool = True) -> Callable[[bytes], object]:
    """Each input is the frames of a new conversation, rightly encrypted and in as many packets as they need."""
    clock = itertools.count()

    def take(data: bytes) -> None:
        now = float(next(clock) * 100)
        guard.tick(now)
        for number, at in enumerate(range(0, min(len(data), 4 * _QUIC_ROOM), _QUIC_ROOM)):
            sealed = initial(data[at : at + _QUIC_ROOM], number)
            guard.packet(udp(sealed, to_server=True, port=443), now=now, from_inside=True)
        if emptied:
            guard.take_detections()

    return take


def initial(frames: bytes, number: int) -> bytes:
    """A client's first packet as RFC 9001 protects it (5.3, 5.4)."""
    keys, plain = quic.client_keys(1, _CONNECTION), frames.ljust(_QUIC_ROOM, b"\0")
    head = (
        b"\xc3\0\0\0\1\x08"
        + _CONNECTION
        + b"\0\0"
        + struct.pack("!HI", 0x4000 | (4 + len(plain) + 16), number)
    )
    nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(12, "big")
    sealed = AESGCM(keys.key).encrypt(nonce, plain, head)
    mask = Cipher(algorithms.AES(keys.mask), modes.ECB()).encryptor().update(sealed[:16])  # noqa: S305 - so says the RFC
    hidden = bytes(one ^ other for one, other in zip(head[-4:], mask[1:5], strict=True))
    return bytes([head[0] ^ mask[0] & 15]) + head[1:-4] + hidden + sealed


def _segment_seeds() -> Sequence[bytes]:
    """Pieces of a conversation: where each begins, its flags, its length, its bytes."""
    request, answer = DOWNLOAD[:80], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nMZ" + MALICIOUS + b".."
    pieces = [
        (0x80, 0, 2, b""),
        (0x80, 1, 0x18, request[:40]),
        (0x80, 41, 0x18, request[40:]),
        (0, 1, 0x18, answer[:30]),
    ]
    pieces += [
        (0, 31, 0x18, answer[30:]),
        (0x80, 1, 0x38, request[:20]),
        (0, 60, 0x11, b""),
        (0x80, 81, 4, b""),
    ]
    return [
        b"".join(
            bytes([way]) + struct.pack("!HBB", at, flags, len(data)) + data for way, at, flags, data in pieces
        )
    ]


def _segments() -> Callable[[bytes], object]:
    """Out of order, overlapping, contradicting, urgent, with resets between: each input is one connection's segments."""
    guard, clock, bases = streams.engine(), itertools.count(), itertools.count(1, 1 << 20)

    def take(data: bytes) -> None:
        base, at = next(bases), 0
        while at + 5 <= len(data):
            way, (place, flags, size) = bool(data[at] & 0x80), struct.unpack_from("!HBB", data, at + 1)
            body = data[at + 5 : at + 5 + size]
            packet = tcp(body, to_server=way, port=80, sequence=base + place, flags=flags)
            guard.packet(packet, now=next(clock) / 50, from_inside=way, rewriting=bool(data[at] & 1))
            at += 5 + size
        guard.flush(next(clock) / 50)
        guard.take_detections()

    return take


def _fragment_seeds() -> Sequence[bytes]:
    """Pieces of datagrams: version and protocol, which datagram, where, more to come, bytes."""
    whole = udp(streams.DNS, to_server=True, port=53)[20:].ljust(64, b"\0")
    pieces = [
        (0, 0, 1, whole[:16]),
        (0, 2, 1, whole[16:40]),
        (0, 5, 0, whole[40:]),
        (1, 0, 1, whole[:32]),
        (1, 4, 0, whole[32:]),
    ]
    return [b"".join(bytes([kind, place, more, len(data)]) + data for kind, place, more, data in pieces)]


def _fragments() -> Callable[[bytes], object]:
    guard, clock, numbers = streams.engine(), itertools.count(), itertools.count()

    def take(data: bytes) -> None:
        number, at = next(numbers), 0
        while at + 4 <= len(data):
            kind, place, more, size = data[at : at + 4]
            packet = _fragment(
                data[at + 4 : at + 4 + size], number + (kind >> 4), place, more & 1, six=bool(kind & 1)
            )
            guard.packet(packet, now=next(clock) / 50, from_inside=True)
            at += 4 + size
        guard.take_detections()

    return take


def _fragment(data: bytes, number: int, place: int, more: int, *, six: bool) -> bytes:
    if six:
        head = struct.pack("!IHBB", 6 << 28, 8 + len(data), 44, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
        return head + struct.pack("!BBHI", 17, 0, place << 3 | more, number % 2**32) + data
    ends = bytes((192, 168, 1, 20, 203, 0, 113, 9))
    return (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), number % 65536, more << 13 | place, 64, 17, 0)
        + ends
        + data
    )


def _naming_seeds() -> Sequence[bytes]:
    """Port, then what the client sends: some of every kind that the table of payloads knows."""
    stun = b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)
    said = (
        (443, streams.hello()),
        (80, DOWNLOAD),
        (53, streams.DNS),
        (3478, stun),
        (6881, b"\x13BitTorrent protocol" + bytes(48)),
    )
    return [struct.pack("!H", port) + data for port, data in (*said, (443, initial(hello_frames()[0], 0)))]


def _naming() -> Callable[[bytes], object]:
    namer, clock = Namer(limits=NamingLimits(flows=64, remembered=256)), itertools.count()

    def take(data: bytes) -> None:
        port, body = int.from_bytes(data[:2], "big"), data[2:60_000]
        now = next(clock) / 5
        for packet in (
            tcp(body, to_server=True, port=port, sequence=1),
            udp(body, to_server=len(body) % 3 != 0, port=port),
            body,
        ):
            namer.packet(packet, now=now)
        namer.tick(now)

    return take


def _kernel_seeds() -> Sequence[bytes]:
    """Netlink datagrams: a flow of the connection table, and the copy of a packet."""

    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    def message(kind: int, body: bytes) -> bytes:
        return struct.pack("=IHHII", 20 + len(body), kind, 0, 0, 0) + struct.pack(">BBH", 2, 0, 0) + body

    ends = attribute(1, attribute(1, bytes(4)) + attribute(2, bytes(4)))
    ports = attribute(2, attribute(1, b"\6") + attribute(2, b"\0\x50") + attribute(3, b"\1\0"))
    flow = (
        attribute(1, ends + ports)
        + attribute(8, bytes(4))
        + attribute(9, attribute(2, bytes(8)))
        + attribute(12, bytes(4))
    )
    copy = (
        attribute(6, bytes(4))
        + attribute(9, udp(streams.DNS, to_server=True, port=53))
        + attribute(13, bytes(4))
    )
    return [message(0x0100, flow) * 2, message(0x0102, flow), message(0x0400, copy) * 2]


def _kernel(data: bytes) -> None:
    for _ in itertools.chain(conntrack.parse(memoryview(data)), nflog.parse(memoryview(data))):
        pass


# --- what loads must answer -------------------------------------------------------------------------------------------


def _rule_seeds() -> Sequence[bytes]:
    lines = [line + b"\n" for line in (RULES + STREAM_RULES).splitlines() if line]
    return [line + SPLIT + DOWNLOAD for line in lines]


def _rules_at_work(data: bytes) -> None:
    text, _, traffic = data.partition(SPLIT)
    rules = parse_rules(text).rules[:20]
    if rules:
        guard = Engine(Signatures(RuleSet.build(rules)), Settings(flows=20))
        streams.stream("http", guard)(traffic + SPLIT + traffic)


def _malware_seeds() -> Sequence[bytes]:
    lines = (
        b"A:0:*:41424344*4546{2-9}47\n",
        b"B:1:EP+4,20:414243(44|45)4647??48\nC:0:EOF-100:4142434445{-7}46\n",
        b"D;Engine:51-255,Target:0,FileSize:3-900;(0&1)>2,1|2=0;41424344;45464748::i;494a4b4c::wa\n",
        b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n",
    )
    return [line + SPLIT + b"MZ" + b"ABCDxxEFyyyG ABCDFG0H" * 9 for line in lines]


def _signatures_at_work(data: bytes) -> None:
    text, _, file = data.partition(SPLIT)
    found = parse_malware(text.decode("utf-8", "replace")).signatures[:20]
    bodies = [each.compiled() for each in found if isinstance(each, Malware)]
    hashes = HashSet([each.compiled() for each in found if isinstance(each, KnownFile)])
    logical = [each.compiled() for each in found if isinstance(each, Combined)]
    with contextlib.closing(
        Antivirus(bodies, hashes, logical).scan(Limits(), Pool(1 << 20), size=len(file))
    ) as scan:
        scan.feed(file[:100])
        scan.feed(file[100:])
        scan.finish()


def _texts(data: bytes) -> None:
    for _ in itertools.islice(texts.Lines(data), 2000):
        pass


def _members() -> tuple[dict[str, object], dict[str, bytes]]:
    with tempfile.TemporaryDirectory(prefix="omamori-chaos-") as folder:
        path = Path(folder) / "seed.pack"
        build_pack(path, "1.0.0", ["bad.example"])
        with zipfile.ZipFile(path) as archive:
            stored = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(stored.pop(_MANIFEST)), stored


def _member_seeds() -> Sequence[bytes]:
    """Each member by its name; and the manifest, whose list of members is put right afterwards."""
    manifest, members = _members()
    named = {_MANIFEST: json.dumps(manifest).encode(), **members}
    return [name.encode() + SPLIT + data for name, data in named.items()]


def _pack_members() -> Callable[[bytes], object]:
    """As a builder with a fault would write it: the hashes hold, what they are of is damaged."""
    manifest, members = _members()
    names = [*sorted(members), _MANIFEST]

    def take(data: bytes) -> None:
        called, _, content = data.partition(SPLIT)
        name = called.decode("ascii", "replace")
        changed = {**members, name if name in names else names[len(data) % len(names)]: content}
        with os.fdopen(os.memfd_create("pack"), "wb") as file:
            file.write(_archive(manifest, changed))
            file.flush()
            pack.load(Path(f"/proc/self/fd/{file.fileno()}"))

    return take


def _archive(manifest: dict[str, object], members: dict[str, bytes]) -> bytes:
    head = members.pop(_MANIFEST, None)
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(head) if head else manifest
        manifest = said if isinstance(said, dict) else manifest
    listed = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(_MANIFEST, json.dumps({**manifest, "members": listed}))
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()
