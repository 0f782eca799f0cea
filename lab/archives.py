"""Archives as others make them, written here by hand: those for which the standard library has no writer."""

import lzma
import struct
import zlib
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence

Files = Mapping[str, bytes]
Pack = Callable[[bytes], bytes]

LETTERS = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LZMA = {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}
LZMA2 = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}
LZMA_CODER = (b"\x03\x01\x01", b"\x5d" + struct.pack("<I", 1 << 16))
LZMA2_CODER = (b"\x21", b"\x08")
ENCRYPTED_CODER = (b"\x06\xf1\x07\x01", b"\x13\0")


def number(value: int) -> bytes:
    """As 7z writes numbers, here always in nine bytes or one."""
    return bytes((value,)) if value < 128 else b"\xff" + struct.pack("<Q", value)


def sevenzip(
    files: Sequence[bytes], coders: Sequence[tuple[bytes, bytes]], packed: bytes, *, packed_head: bool = False
) -> bytes:
    """One folder of files, already packed; `coders` are (method, properties), the last one is that of the packed bytes."""
    sizes = [len(file) for file in files]
    folder = number(len(coders))
    for method, properties in coders:
        folder += bytes((len(method) | 0x20 * bool(properties),)) + method
        folder += number(len(properties)) + properties if properties else b""
    folder += b"".join(number(at) + number(at + 1) for at in range(len(coders) - 1))
    streams = b"\x06" + number(0) + b"\x01\x09" + number(len(packed)) + b"\0"
    streams += b"\x07\x0b\x01\0" + folder + b"\x0c" + number(sum(sizes)) * len(coders) + b"\0"
    streams += b"\x08\x0d" + number(len(sizes)) + b"\x09" + b"".join(map(number, sizes[:-1]))
    streams += b"\x0a\x01" + bytes(4 * len(sizes)) + b"\0\0"
    head = b"\x01\x04" + streams + b"\x05" + number(len(sizes)) + b"\0\0"
    return _with_packed_head(packed, head) if packed_head else _framed(packed, head)


def _framed(packed: bytes, head: bytes) -> bytes:
    start = struct.pack("<QQI", len(packed), len(head), zlib.crc32(head))
    return b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<I", zlib.crc32(start)) + start + packed + head


def _with_packed_head(packed: bytes, head: bytes) -> bytes:
    small = lzma.compress(head, lzma.FORMAT_RAW, filters=[LZMA])
    method, properties = LZMA_CODER
    streams = b"\x06" + number(len(packed)) + b"\x01\x09" + number(len(small)) + b"\0"
    streams += (
        b"\x07\x0b\x01\0\x01" + bytes((0x20 | len(method),)) + method + number(len(properties)) + properties
    )
    streams += b"\x0c" + number(len(head)) + b"\x0a\x01" + bytes(4) + b"\0\0"
    return _framed(packed + small, b"\x17" + streams)


def raw(data: bytes, *filters: dict[str, int]) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=list(filters))


def rar4(files: Files, *, method: int = 0x30, flags: int = 0, main: int = 0) -> bytes:
    out = b"Rar!\x1a\x07\0" + struct.pack("<HBHH", 0, 0x73, main, 13) + bytes(6)
    for name, content in files.items():
        head = struct.pack("<IIBIIBBHI", len(content), len(content), 2, 0, 0, 20, method, len(name), 32)
        out += (
            struct.pack("<HBHH", 0, 0x74, 0x8000 | flags, 7 + len(head) + len(name))
            + head
            + name.encode()
            + content
        )
    return out + struct.pack("<HBHH", 0, 0x7B, 0x4000, 7)


def rar5(files: Files, *, method: int = 0, extra: bytes = b"", first: bytes = b"") -> bytes:
    out = b"Rar!\x1a\x07\x01\0" + first + _rar5_block(1, b"\0")
    for name, content in files.items():
        told = (
            b"\0"
            + vint(len(content))
            + vint(0x20)
            + vint(method << 7)
            + vint(1)
            + vint(len(name))
            + name.encode()
        )
        out += _rar5_block(2, told + extra, len(content), len(extra)) + content
    return out + _rar5_block(5, b"\0")


def _rar5_block(kind: int, told: bytes, data: int | None = None, extra: int = 0) -> bytes:
    flags = 2 * (data is not None) + (extra > 0)
    body = (
        vint(kind)
        + vint(flags)
        + (vint(extra) if extra else b"")
        + (vint(data) if data is not None else b"")
        + told
    )
    return bytes(4) + vint(len(body)) + body


def rar5_encrypted() -> bytes:
    """Its heads are."""
    return rar5({}, first=_rar5_block(4, bytes(20)))


def vint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes((value & 127 | 128,))
        value >>= 7
    return out + bytes((value,))


def arj(files: Files, *, method: int = 0, flags: int = 0, pack: Pack = bytes) -> bytes:
    out = _arj_head(b"x.arj", b"", 0, kind=2)
    for name, content in files.items():
        packed = pack(content)
        out += _arj_head(name.encode(), packed, len(content), method=method, flags=flags) + packed
    return out + b"\x60\xea\0\0"


def _arj_head(
    name: bytes, packed: bytes, size: int, *, method: int = 0, flags: int = 0, kind: int = 0
) -> bytes:
    head = struct.pack(
        "<BBBBBBBBIIIIHHH", 30, 11, 1, 2, flags, method, kind, 0, 0, len(packed), size, 0, 0, 32, 0
    )
    head += name + b"\0\0"
    return b"\x60\xea" + struct.pack("<H", len(head)) + head + bytes(4) + b"\0\0"


def lzh(files: Files, *, method: bytes = b"-lh5-", level: int = 0, pack: Pack | None = None) -> bytes:
    out = b""
    for name, content in files.items():
        packed = (pack or lzhuf)(content)
        fixed = method + struct.pack("<IIIBB", len(packed), len(content), 0, 32, level)
        match level:
            case 0:
                rest = fixed + bytes((len(name),)) + name.encode() + b"\0\0"
                out += bytes((len(rest), 0)) + rest + packed
            case 1:
                extended = b"\x02dir" + struct.pack("<H", 0)
                fixed = method + struct.pack("<IIIBB", len(packed) + 6, len(content), 0, 32, 1)
                rest = fixed + bytes((len(name),)) + name.encode() + b"\0\0U" + struct.pack("<H", 6)
                out += bytes((len(rest), 0)) + rest + extended + packed
            case 2:
                rest = fixed + b"\0\0U" + struct.pack("<H", 0)
                out += struct.pack("<H", len(rest) + 2) + rest + packed
    return out + b"\0"


def lzhuf(data: bytes, width: int = 4) -> bytes:
    """Every byte as it is in eight bits, but for a run of the first byte, which is what a distance of one is for."""
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend(value >> at & 1 for at in range(count - 1, -1, -1))

    run = len(data) - len(data.lstrip(data[:1])) if data else 0
    run = min(run, 256) if run > 3 else 0
    symbols = [data[0], 256 + run - 1 - 3] if run else []
    symbols += data[run:]
    for at in range(0, len(symbols), 60_000):
        part = symbols[at : at + 60_000]
        put(len(part), 16)
        put(12, 5)
        for length in (0, 0, 0):
            put(length, 3)
        put(0, 2)
        for length in (0, 0, 0, 0, 0, 0, 0, 0, 1):
            put(length, 3)
        put(510, 9)
        _lengths(put)
        put(0, width)
        put(0, width)
        for symbol in part:
            put(symbol, 9)
    bits += [0] * (-len(bits) % 8)
    return bytes(int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits), 8))


def _lengths(put: Callable[[int, int], None]) -> None:
    """All 510 symbols have codes of nine bits, so that a code is its symbol."""
    for _ in range(510):
        put(0, 1)


def cpio(files: Files, form: str = "newc") -> bytes:
    out = b""
    for name, content in {**files, "TRAILER!!!": b""}.items():
        named = name.encode() + b"\0"
        mode = 0o100644 if content else 0
        match form:
            case "newc":
                fields = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(named), 0)
                head, unit = b"070701" + b"".join(b"%08x" % each for each in fields), 4
            case "odc":
                head, unit = (
                    b"070707"
                    + b"%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o"
                    % (0, 1, mode, 0, 0, 1, 0, 0, len(named), len(content)),
                    1,
                )
            case _:
                order = "<" if form == "le" else ">"
                fields = (
                    0o070707,
                    0,
                    1,
                    mode,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    len(named),
                    len(content) >> 16,
                    len(content) & 0xFFFF,
                )
                head, unit = struct.pack(f"{order}13H", *fields), 2
        out += head + named + bytes(-len(head + named) % unit) + content + bytes(-len(content) % unit)
    return out


def binhex(content: bytes, name: bytes = b"a.exe") -> bytes:
    forks = (
        bytes((len(name),))
        + name
        + b"\0APPLaaaa\0\0"
        + struct.pack(">II", len(content), 0)
        + b"\0\0"
        + content
        + b"\0\0\0\0"
    )
    packed = forks.replace(b"\x90", b"\x90\0").replace(bytes(20), b"\0\x90\x14")
    letters = b2a_base64(packed, newline=False).rstrip(b"=").translate(bytes.maketrans(BASE64, LETTERS))
    lines = b"\r\n".join(letters[at : at + 64] for at in range(0, len(letters), 64))
    return b"(This file must be converted with BinHex 4.0)\r\n:" + lines + b":\r\n"
