"""The three TLS handshake messages that travel in the clear, taken apart without reading past their stated lengths."""

from dataclasses import dataclass
from functools import cached_property
from struct import Struct

from omamori.firmware.engine.applications import fingerprints

_HELLO = Struct("!H32sB")
_WORD = Struct("!H")
_NAME, _GROUPS, _FORMATS, _SIGNATURES, _PROTOCOLS, _VERSIONS = 0, 10, 11, 13, 16, 43
_MAX_CERTIFICATES = 8


class NotTls(Exception):  # noqa: N818 - it says what the bytes are
    """A handshake message contradicts itself."""


@dataclass(frozen=True)
class ClientHello:
    version: int
    """The highest it offers in the old field."""
    random: bytes
    name: bytes
    """Server name indication; empty where there is none."""
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]
    groups: tuple[int, ...] = ()
    formats: bytes = b""
    signatures: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    """Of the newer field."""
    protocol: bytes = b""
    """The first of the application protocols it offers."""

    @cached_property
    def ja3(self) -> str:
        return fingerprints.ja3(self.version, self.ciphers, self.extensions, self.groups, self.formats)

    def ja4(self, transport: str) -> str:
        """`transport` is `t` for TCP, `q` for QUIC."""
        return fingerprints.ja4(
            transport,
            self.versions or (self.version,),
            self.ciphers,
            self.extensions,
            self.signatures,
            self.protocol,
        )


@dataclass(frozen=True, slots=True)
class ServerHello:
    version: int
    """The chosen one."""
    random: bytes
    ja3: str


class _Reader:
    """Takes pieces off the front; a piece that is not there is NotTls."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise NotTls(f"{count} bytes wanted, {len(self._data) - self._at} there")
        piece, self._at = self._data[self._at : end], end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Bytes behind their length, which takes `size` bytes."""
        return self.take(self.number(size))


def parse_client(body: bytes) -> ClientHello:
    """Raises NotTls."""
    reader = _Reader(body)
    version, random, _ = _HELLO.unpack(body[:35]) if len(body) >= 35 else _short()
    reader.take(34)
    reader.vector(1)
    ciphers = _words(reader.vector(2))
    reader.vector(1)
    extensions = _extensions(reader)
    found = dict(reversed(extensions))  # the first of a kind counts
    protocols = found.get(_PROTOCOLS, b"")[2:]
    return ClientHello(
        version,
        random,
        _server_name(found.get(_NAME, b"")),
        ciphers,
        tuple(kind for kind, _ in extensions),
        _words(found.get(_GROUPS, b"")[2:]),
        found.get(_FORMATS, b"")[1:],
        _words(found.get(_SIGNATURES, b"")[2:]),
        _words(found.get(_VERSIONS, b"")[1:]),
        protocols[1 : 1 + protocols[0]] if protocols else b"",
    )


def parse_server(body: bytes) -> ServerHello:
    """Raises NotTls."""
    reader = _Reader(body)
    version = reader.number(2)
    random = reader.take(32)
    reader.vector(1)
    cipher = reader.number(2)
    reader.take(1)
    extensions = _extensions(reader)
    chosen = dict(extensions).get(_VERSIONS, b"")
    ja3 = f"{version},{cipher},{'-'.join(str(kind) for kind, _ in extensions)}"
    return ServerHello(_WORD.unpack(chosen)[0] if len(chosen) == 2 else version, random, ja3)


def parse_certificates(body: bytes) -> tuple[bytes, ...]:
    """The chain, the server's own first, in DER. Raises NotTls."""
    chain = _Reader(_Reader(body).vector(3))
    found: list[bytes] = []
    while chain and len(found) < _MAX_CERTIFICATES:
        found.append(chain.vector(3))
    return tuple(found)


def _extensions(reader: _Reader) -> list[tuple[int, bytes]]:
    if not reader:
        return []
    inner = _Reader(reader.vector(2))
    found: list[tuple[int, bytes]] = []
    while inner:
        kind = inner.number(2)
        found.append((kind, inner.vector(2)))
    return found


def _server_name(extension: bytes) -> bytes:
    if not extension:
        return b""
    names = _Reader(_Reader(extension).vector(2))
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name
    return b""


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(value for (value,) in _WORD.iter_unpack(data[: len(data) // 2 * 2]))


def _short() -> tuple[int, bytes, int]:
    raise NotTls("a hello of less than 35 bytes")
