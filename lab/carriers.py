"""What carries files without being an archive: disc images, notebooks, installers, programs that unpack themselves."""

import lzma
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

SECTOR = 2048


def iso(files: Mapping[str, bytes], *, folder: str = "SUB") -> bytes:
    """The first file lies in the root, all others in a folder."""
    names = list(files)
    places, sector = {}, 20
    for name in names:
        places[name] = sector
        sector += -(-len(files[name]) // SECTOR)
    root = (
        _entry(b"\0", 18, SECTOR, 2) + _entry(b"\1", 18, SECTOR, 2) + _entry(folder.encode(), 19, SECTOR, 2)
    )
    entries = [_entry(f"{name};1".encode(), places[name], len(files[name])) for name in names]
    root += entries[0]
    inner = _entry(b"\0", 19, SECTOR, 2) + _entry(b"\1", 18, SECTOR, 2) + b"".join(entries[1:])
    volume = b"\1CD001\1\0" + bytes(148) + _entry(b"\0", 18, SECTOR, 2)
    out = bytes(16 * SECTOR) + volume.ljust(SECTOR, b"\0") + b"\xffCD001\1".ljust(SECTOR, b"\0")
    out += root.ljust(SECTOR, b"\0") + inner.ljust(SECTOR, b"\0")
    return out + b"".join(files[name] + bytes(-len(files[name]) % SECTOR) for name in names)


def _entry(name: bytes, sector: int, size: int, flags: int = 0) -> bytes:
    body = (
        b"\0"
        + struct.pack("<I", sector)
        + struct.pack(">I", sector)
        + struct.pack("<I", size)
        + struct.pack(">I", size)
    )
    body += bytes(7) + bytes((flags, 0, 0)) + b"\1\0\0\1" + bytes((len(name),)) + name
    body += bytes((len(body) + 1) % 2)
    return bytes((len(body) + 1,)) + body


def onenote(content: bytes) -> bytes:
    head = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + b"section" * 200
    mark = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
    return head + mark + struct.pack("<QIQ", len(content), 0, 0) + content + b"rest" * 100


def program(behind: bytes) -> bytes:
    """With one section of 512 bytes, which ends at 4608."""
    head = (
        b"MZ"
        + bytes(58)
        + struct.pack("<I", 64)
        + b"PE\0\0"
        + struct.pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, 224, 0x102)
    )
    head += struct.pack("<HBBIIII", 0x10B, 0, 0, 0, 0, 0, 0x1000) + bytes(204)
    head += b".text\0\0\0" + struct.pack("<IIII", 512, 0x1000, 512, 4096) + bytes(16)
    return head.ljust(4096, b"\0") + b"\xc3" * 512 + behind


def nsis(files: Sequence[bytes], pack: Callable[[bytes], bytes], *, solid: bool) -> bytes:
    """`pack` packs; the first block is the installer's own head."""
    blocks = [b"head" * 30, *files]
    if solid:
        packed = pack(b"".join(struct.pack("<I", len(block)) + block for block in blocks))
    else:
        packed = b"".join(struct.pack("<I", len(each) | 1 << 31) + each for each in map(pack, blocks))
    return (
        struct.pack("<I", 0)
        + b"\xef\xbe\xad\xdeNullsoftInst"
        + struct.pack("<II", 120, len(packed) + 28)
        + packed
    )


def cabinet(packed: bytes, size: int, packing: int) -> bytes:
    """One folder in one block, and a file of all of it."""
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, 0, 0, 60, 0, 3, 1, 1, 1, 0, 0, 0)
    folder = struct.pack("<IHH", 68, 1, packing)
    file = struct.pack("<IIHHHH", size, 0, 0, 0, 0, 0) + b"a.exe\0\0\0"
    return head + folder + file + struct.pack("<IHH", 0, len(packed), size) + packed


LZX = 15 << 8 | 3
"""The packing of a cabinet, with the smallest window."""


def lzx_plain(data: bytes) -> bytes:
    """LZX in one block that is not packed, of at most one frame."""
    bits = (3 << 28 | len(data) << 4) & 0x7FFFFFFF
    words = struct.pack("<HH", bits >> 16, bits & 0xFFFF)
    return words + struct.pack("<III", 1, 1, 1) + data + bytes(len(data) % 2)


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def lzma_packed(data: bytes) -> bytes:
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 23, "lc": 3, "lp": 0, "pb": 2}]
    return b"\x5d" + struct.pack("<I", 1 << 23) + lzma.compress(data, lzma.FORMAT_RAW, filters=chain)
