"""Hostile files: one target for each kind that is taken apart, from honest ones of that kind, and what they unpack to."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.archives import (
    LZMA2,
    LZMA2_CODER,
    LZMA_CODER,
    arj,
    binhex,
    cpio,
    lzh,
    lzhuf,
    rar4,
    rar5,
    raw,
    sevenzip,
)
from lab.carriers import LZX, cabinet, deflated, iso, lzma_packed, lzx_plain, nsis, onenote, program
from lab.chaos.fuzz import Target
from omamori.firmware.engine.antivirus import Antivirus, Limits, Pool, literal

_DEBIAN = Path("/usr/share/clamav-testfiles")
"""Files of many kinds, where they are installed."""
_INNER = b"MZ\x90\0" + bytes(range(256)) * 3 + b"the end of it"
_FILES = {"a.txt": b"fine", "b.exe": _INNER}
_FILTERED = {"id": lzma.FILTER_X86}
_SEEDS: Mapping[str, Callable[[], Sequence[bytes]]] = {
    "7z": lambda: [
        sevenzip([_INNER, b"x"], [LZMA2_CODER], raw(_INNER + b"x", LZMA2), packed_head=True),
        sevenzip([_INNER], [(b"\x04", b""), LZMA2_CODER], raw(_INNER, _FILTERED, LZMA2)),
        sevenzip([_INNER], [(b"\0", b"")], _INNER),
        sevenzip([_INNER], [LZMA_CODER], bytes(30)),
    ],
    "rar": lambda: [rar4(_FILES), rar5(_FILES), rar4(_FILES, method=0x33), rar5(_FILES, extra=b"\x02\x01\0")],
    "arj-lzh": lambda: [
        arj(_FILES),
        arj(_FILES, method=1, pack=lambda data: lzhuf(data, 5)),
        *(lzh(_FILES, level=level) for level in range(3)),
    ],
    "cpio": lambda: [cpio(_FILES, form) for form in ("newc", "odc", "le", "be")],
    "binhex": lambda: [binhex(_INNER)],
    "iso": lambda: [iso(_FILES)],
    "lzx": lambda: [cabinet(lzx_plain(_INNER), len(_INNER), LZX), *_debian("clam.chm")],
    "onenote": lambda: [onenote(_INNER)],
    "program": lambda: [
        program(_zip(zipfile.ZIP_DEFLATED)),
        *(program(nsis([_INNER], pack, solid=solid)) for pack in (deflated, lzma_packed) for solid in (True, False)),
        *_debian("clam-upx.exe", "clam-nsis.exe"),
    ],
    "zip": lambda: [
        *(_zip(method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
        *(_zip(zipfile.ZIP_DEFLATED, called=method) for method in (6, 9, 95)),
        *_debian("clam.d64.zip", "clam.impl.zip"),
    ],
    "compressed": lambda: [gzip.compress(_INNER), bz2.compress(_INNER), lzma.compress(_INNER), _tar(), *_debian("clam.cab", "clam.exe.szdd")],
    "documents": lambda: [*_debian("clam.pdf", "clam.ole.doc", "clam.ppt", "clam.exe.rtf", "clam.tnef", "clam.exe.html", "clam.mail"), b"%PDF-1.4\n1 0 obj\n<</Filter /FlateDecode>>\nstream\n", b"{\\rtf1{\\object\\objdata 0105}}"],
}  # fmt: skip


def targets() -> list[Target]:
    """All of them."""
    return [Target(f"file-{name}", seeds, _scan) for name, seeds in _SEEDS.items()]


def _scan() -> Callable[[bytes], object]:
    antivirus = Antivirus([literal("a", "A", b"the end of it")])
    limits = Limits(unpacked=2 << 20, held=1 << 20, labour=16 << 10)

    def take(data: bytes) -> None:
        pool, size = Pool(4 << 20), max(1 + len(data) % 1460, len(data) // 500)
        scan = antivirus.scan(limits, pool)
        for at in range(0, len(data), size):
            scan.feed(data[at : at + size])
        scan.finish()
        scan.take_notes()
        scan.close()
        if pool.held:
            raise AssertionError(f"{pool.held} bytes are still held")

    return take


def _debian(*names: str) -> list[bytes]:
    return [(_DEBIAN / name).read_bytes() for name in names if (_DEBIAN / name).is_file()]


def _zip(method: int, called: int = -1) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in _FILES.items():
            archive.writestr(name, content)
    out = bytearray(made.getvalue())
    if called >= 0:
        out[8:10] = called.to_bytes(2, "little")
    return bytes(out)


def _tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in _FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()
