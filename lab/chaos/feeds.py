"""Hostile feeds: archives, signatures of files, lists, descriptions and captures, as the release side fetches them from others."""

import base64
import bz2
import gzip
import hashlib
import io
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.chaos.fuzz import Target
from lab.chaos.packets import tcp, udp
from lab.chaos.seeds import RULES, SPLIT
from omamori.firmware.signatures import reputation
from omamori.firmware.signatures.capture import CaptureError, frames
from omamori.firmware.signatures.credentials import read_credentials
from omamori.firmware.signatures.lists import ListError
from omamori.firmware.signatures.suricata import datasets
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError
from omamori.firmware.signatures.tuning import TuningError, parse_tuning
from omamori.signing.packs import description, proof
from omamori.signing.packs.description import Feed, Kind
from omamori.signing.packs.errors import DescriptionError, FeedError
from omamori.signing.packs.unpacking import unpack

_FEED = Feed("any", Kind.RULES, (), unpacked=1 << 20)
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
_SIGNED = b"bad.example\n"


def targets() -> list[Target]:
    """All of them."""
    return [
        Target("feed-archives", _archive_seeds, _archives, (FeedError,)),
        Target("feed-signatures", _signature_seeds, _signatures, (FeedError,)),
        Target("descriptions", lambda: [_DESCRIPTION], lambda: _description, (DescriptionError,)),
        Target("tuning", lambda: [_TUNING], lambda: _text(parse_tuning), (TuningError,)),
        Target("reputation", _reputation_seeds, lambda: _reputation, (reputation.ReputationError,)),
        Target("datasets", _dataset_seeds, _datasets, (RuleSyntaxError,)),
        Target(
            "credentials", lambda: [b"# list\nadmin:admin\nroot:\xe3\x81\x82\n"], _credentials, (ListError,)
        ),
        Target("captures", _capture_seeds, lambda: _capture, (CaptureError,)),
    ]


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode("utf-8", "replace"))


def _written(take: Callable[[Path], object]) -> Callable[[bytes], object]:
    path = Path(tempfile.mkdtemp()) / "input"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        take(path)

    return read


# --- archives ---------------------------------------------------------------------------------------------------------


def _archive_seeds() -> Sequence[bytes]:
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        for name in ("rules/a.rules", "b.rules", "LICENSE"):
            member = tarfile.TarInfo(name)
            member.size = len(RULES)
            archive.addfile(member, io.BytesIO(RULES))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.rules", RULES)
        packed.writestr("../b.rules", RULES)
    whole = gzip.compress(tarred.getvalue(), mtime=0)
    digest = hashlib.md5(whole, usedforsecurity=False).hexdigest()
    database = f"ClamAV-VDB:21 Nov 2026 09-00 +0000:1:1:90:{digest}:x:builder:1".encode().ljust(512) + whole
    plain = tarred.getvalue()
    return [plain, whole, bz2.compress(plain), zipped.getvalue(), gzip.compress(RULES), database, RULES]


def _archives() -> Callable[[bytes], object]:
    folder = Path(tempfile.mkdtemp())

    def take(path: Path) -> None:
        try:
            found = unpack(path, _FEED, folder / "out")
            if sum(each.stat().st_size for each in found) > _FEED.unpacked:
                raise AssertionError("more was unpacked than is allowed")
        finally:
            shutil.rmtree(folder / "out", ignore_errors=True)

    return _written(take)


def _signature_seeds() -> Sequence[bytes]:
    """`key`, then a minisign signature that holds."""
    made = _KEY.sign(hashlib.blake2b(_SIGNED).digest())
    comment = b"timestamp:1\tfile:a"
    first = base64.b64encode(b"ED" + bytes(8) + made)
    whole = base64.b64encode(_KEY.sign(made + comment))
    key = base64.b64encode(b"Ed" + bytes(8) + _KEY.public_key().public_bytes_raw())
    lines = (b"untrusted comment: x", first, b"trusted comment: " + comment, whole, b"")
    return [b"untrusted comment: key\n" + key + SPLIT + b"\n".join(lines)]


def _signatures() -> Callable[[bytes], object]:
    content = Path(tempfile.mkdtemp()) / "content"
    content.write_bytes(_SIGNED)

    def take(data: bytes) -> None:
        key, _, signature = data.partition(SPLIT)
        proof.verify_minisign(content, key.decode("utf-8", "replace"), signature)

    return take


# --- lists ------------------------------------------------------------------------------------------------------------

_DESCRIPTION = b"""
[[feed]]
name = "open"
kind = "rules"
urls = ["https://feeds.example/open.tar.gz"]
unpacked-mib = 64
[feed.proof]
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
[gates]
largest-mib = 16
[channels]
"""
_TUNING = b"""
# as Suricata's threshold.config
suppress gen_id 1, sig_id 2, track by_src, ip [192.168.0.0/16,!192.168.1.1]
event_filter gen_id 1, sig_id 0, type limit, track by_dst, count 1, seconds 60
rate_filter gen_id 1, sig_id 3, track by_rule, count 9, seconds 5, new_action drop, timeout 30
"""


def _description(data: bytes) -> None:
    description.parse(data, Path("/nonexistent"))


def _reputation_seeds() -> Sequence[bytes]:
    scores = b"# scores\n203.0.113.0/24,20\n203.0.113.9,90\n2001:db8::/32\n"
    return [
        scores + SPLIT + b"1,BadHosts,Known bad\n2,Spam,x\n" + SPLIT + b"1.2.3.4,1,90\n2001:db8::1,2,5\n",
        scores,
    ]


def _reputation(data: bytes) -> None:
    scores, categories, numbered = [
        *(each.decode("utf-8", "replace") for each in data.split(SPLIT)),
        "",
        "",
        "",
    ][:3]
    reputation.read_numbered([numbered], reputation.read_categories(categories))
    reputation.read_scores(scores)


def _dataset_seeds() -> Sequence[bytes]:
    return [base64.b64encode(b"bad.example") + b"\n", b"0" * 32 + b",x\n", b"a" * 64 + b"\r\n"]


def _datasets() -> Callable[[bytes], object]:
    def take(path: Path) -> None:
        told: RuleSyntaxError | None = None
        for kind in datasets.SIZES:
            try:
                datasets.read(path, kind)
            except RuleSyntaxError as error:
                told = error
        if told is not None:
            raise told

    return _written(take)


def _credentials() -> Callable[[bytes], object]:
    return _written(read_credentials)


def _capture_seeds() -> Sequence[bytes]:
    packets = [
        tcp(b"GET / HTTP/1.1\r\n\r\n", to_server=True, port=80, sequence=1),
        udp(b"x", to_server=True, port=53),
    ]
    framed = [b"\0\x16\x3e\0\0\1\0\x16\x3e\0\0\2\x81\0\0\7\x08\0" + each for each in packets]
    old = b"".join(struct.pack("<IIII", 1, 2, len(each), len(each)) + each for each in framed)

    def block(kind: int, body: bytes) -> bytes:
        size = 12 + len(body) + -len(body) % 4
        return struct.pack("<II", kind, size) + body + bytes(-len(body) % 4) + struct.pack("<I", size)

    new = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(
        1, struct.pack("<HHIHHB", 101, 0, 0, 9, 1, 6) + bytes(7)
    )
    new += b"".join(block(6, struct.pack("<IIIII", 0, 5, 9, len(each), len(each)) + each) for each in packets)
    return [
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + old,
        struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101),
        new,
    ]


def _capture(data: bytes) -> None:
    for _ in frames(io.BytesIO(data), "capture"):
        pass
