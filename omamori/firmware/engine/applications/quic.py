"""QUIC up to the client's hello: its Initial packets are encrypted with keys that everybody can derive (RFC 9001, 5.2; RFC 9369).

The hello may be cut over CRYPTO frames in any order and over several packets. Once it is read, or cannot be, there is nothing
more to see. At most a handful of packets of a flow are tried, so a flow cannot cost more than that.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from omamori.firmware.engine.applications.fingerprints import hashed
from omamori.firmware.engine.applications.layer import Context, Event, How, Message, SiteAsked
from omamori.firmware.engine.applications.tls_hello import ClientHello, NotTls, parse_client
from omamori.firmware.engine.reassembly import Piece, Reassembly

_SALTS = {
    0x00000001: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    0x6B3343CF: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    **dict.fromkeys(range(0xFF000021, 0xFF000023), bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")),
    **dict.fromkeys(range(0xFF00001D, 0xFF000021), bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")),
    **dict.fromkeys(range(0xFF000017, 0xFF00001D), bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")),
}
"""By version: 1, 2 and the drafts from 23 on that are still met in captures."""
_VERSION_2 = 0x6B3343CF
_PADDING, _PING, _CRYPTO, _CLOSE = 0, 1, 6, 0x1C
_ACKS = (2, 3)
_MAX_DATAGRAMS = 32
"""Of either way, in which a hello must have come."""
_MAX_COALESCED = 8
_MAX_HELLO = 32 << 10
_SHORTEST = 40
_CLIENT_HELLO = 1


class NotQuic(Exception):  # noqa: N818 - it says what the bytes are
    """No Initial packet of a client that can be read."""


class Header(NamedTuple):
    """Of a long-header packet (RFC 9000, 17.2)."""

    version: int
    initial: bool
    destination: bytes
    """The connection id that the keys come from, in a client's first packet."""
    number_at: int
    """Where the protected packet number is (Initial only)."""
    end: int
    """Of the packet; another may follow in the datagram."""


class Keys(NamedTuple):
    key: bytes
    iv: bytes
    mask: bytes
    """For header protection."""


def is_plausible(data: bytes) -> bool:
    """It begins like a client's first packet of a version that is known."""
    return len(data) >= _SHORTEST and data[0] & 0xC0 == 0xC0 and int.from_bytes(data[1:5], "big") in _SALTS


def header(data: bytes, at: int = 0) -> Header:
    """Raises NotQuic."""
    if len(data) < at + 7 or data[at] & 0xC0 != 0xC0:
        raise NotQuic("no long header")
    version = int.from_bytes(data[at + 1 : at + 5], "big")
    if version not in _SALTS:
        raise NotQuic(f"version {version:#x}")
    here, ids = at + 5, []
    for _ in range(2):
        size = data[here] if here < len(data) else 255
        ids.append(data[here + 1 : here + 1 + size])
        here += 1 + size
        if size > 20 or here > len(data):
            raise NotQuic("connection id")
    initial = data[at] >> 4 & 3 == (1 if version == _VERSION_2 else 0)
    if initial:
        size, here = _number(data, here)
        here += size
    length, here = _number(data, here)
    if here + length > len(data):
        raise NotQuic("cut short")
    return Header(version, initial, ids[0], here, here + length)


def client_keys(version: int, connection: bytes) -> Keys:
    """From the destination connection id of the client's first packet."""
    secret = hmac.digest(_SALTS[version], connection, "sha256")
    client = _expanded(secret, b"client in", 32)
    prefix = b"quicv2 " if version == _VERSION_2 else b"quic "
    return Keys(
        _expanded(client, prefix + b"key", 16),
        _expanded(client, prefix + b"iv", 12),
        _expanded(client, prefix + b"hp", 16),
    )


def opened(data: bytes, begin: int, found: Header, keys: Keys) -> bytes:
    """The frames of an Initial packet. Raises NotQuic where the keys do not fit it."""
    mask_of, decrypt = _ciphers(keys)
    at = found.number_at
    sample = data[at + 4 : at + 20]
    if len(sample) < 16 or found.end < at + 20:
        raise NotQuic("too short to be protected")
    mask = mask_of(sample)
    first = data[begin] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(data[at : at + size], mask[1:], strict=False))
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    associated = bytes([first]) + data[begin + 1 : at] + number
    return decrypt(nonce, data[at + size : found.end], associated)


def crypto_frames(frames: bytes) -> list[tuple[int, bytes]]:
    """The (offset, data) of each CRYPTO frame up to one of a kind that no Initial packet has. Raises NotQuic."""
    found, at = [], 0
    while at < len(frames):
        kind = frames[at]
        at += 1
        if kind == _CRYPTO:
            offset, at = _number(frames, at)
            length, at = _number(frames, at)
            found.append((offset, frames[at : at + length]))
            at += length
        elif kind in _ACKS:
            at = _after_ack(frames, at, counts=kind == _ACKS[1])
        elif kind not in (_PADDING, _PING):
            break
    return found


@dataclass(slots=True)
class _Version:
    number: int

    @property
    def text(self) -> bytes:
        """As `quic.version` shows it."""
        return b"%08x" % self.number if self.number > 0xFF else b"%d" % self.number


class Quic:
    """The parser of one conversation."""

    name = "quic"

    def __init__(self) -> None:
        self._stream = Reassembly()
        self._stream.begin(0)
        self._hello = b""
        self._keys: Keys | None = None
        self._version = _Version(1)
        self._datagrams = 0
        self._client: ClientHello | None = None
        self.finished = False
        self.lost = False

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        """One datagram."""
        self._datagrams += 1
        self.finished = self.finished or self._datagrams > _MAX_DATAGRAMS
        if self.finished or not to_server:
            return ()
        try:
            self._datagram(piece.data)
            return self._read(needs)
        except NotQuic:
            self.lost = self._keys is None
        except NotTls:
            self.lost = True
        return ()

    def end(self, needs: frozenset[str]) -> Sequence[Event]:  # noqa: ARG002 - the interface's
        return ()

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - one handshake, one context
        name = self._client.name.decode("utf-8", "backslashreplace") if self._client else ""
        return Context(subject=name)

    def _datagram(self, data: bytes) -> None:
        """Raises NotQuic."""
        at = 0
        for _ in range(_MAX_COALESCED):
            if at >= len(data) or data[at] & 0xC0 != 0xC0:
                break
            found = header(data, at)
            if found.initial:
                for offset, part in crypto_frames(self._opened(data, at, found)):
                    if offset + len(part) <= _MAX_HELLO:
                        pieces = self._stream.push(offset, part, _MAX_HELLO)
                        self._hello += b"".join(each.data for each in pieces)
            at = found.end

    def _opened(self, data: bytes, at: int, found: Header) -> bytes:
        if self._keys is not None:
            try:
                return opened(data, at, found, self._keys)
            except NotQuic:
                pass  # after a Retry the keys come from the id that the server chose
        keys = client_keys(found.version, found.destination)
        frames = opened(data, at, found, keys)
        self._keys, self._version = keys, _Version(found.version)
        return frames

    def _read(self, needs: frozenset[str]) -> Sequence[Event]:
        """Raises NotTls."""
        if len(self._hello) < 4 or self._client is not None:
            return ()
        end = 4 + int.from_bytes(self._hello[1:4], "big")
        if self._hello[0] != _CLIENT_HELLO or end > _MAX_HELLO:
            raise NotTls("no client hello")
        if len(self._hello) < end:
            return ()
        client = self._client = parse_client(self._hello[4:end])
        self.finished, self._hello = True, b""
        asked: list[Event] = [SiteAsked(client.name, How.QUIC)] if client.name else []
        return [*asked, Message(1, to_server=True, buffers=_buffers(client, self._version, needs))]


def _buffers(hello: ClientHello, version: _Version, needs: frozenset[str]) -> dict[str, list[bytes]]:
    table: dict[str, Callable[[], bytes]] = {
        "quic.sni": lambda: hello.name,
        "quic.version": lambda: version.text,
        "ja3.string": hello.ja3.encode,
        "ja3.hash": lambda: hashed(hello.ja3.encode()),
        "ja4.hash": lambda: hello.ja4("q").encode(),
    }
    made = {name: make() for name, make in table.items() if name in needs}
    return {name: [value] for name, value in made.items() if value}


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer (RFC 9000, 16), and where what follows begins. Raises NotQuic."""
    if at >= len(data):
        raise NotQuic("cut short")
    end = at + (1 << (data[at] >> 6))
    if end > len(data):
        raise NotQuic("cut short")
    return int.from_bytes(data[at:end], "big") & (1 << (8 * (end - at) - 2)) - 1, end


def _after_ack(frames: bytes, at: int, *, counts: bool) -> int:
    for _ in range(2):
        _, at = _number(frames, at)
    ranges, at = _number(frames, at)
    if ranges > len(frames):
        raise NotQuic("more ranges than bytes")
    for _ in range(1 + 2 * ranges + 3 * counts):
        _, at = _number(frames, at)
    return at


def _expanded(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, 7.1) of at most 32 bytes, with an empty context."""
    told = size.to_bytes(2, "big") + bytes([6 + len(label)]) + b"tls13 " + label + b"\0"
    return hmac.digest(secret, told + b"\1", sha256)[:size]


def _ciphers(keys: Keys) -> tuple[Callable[[bytes], bytes], Callable[[bytes, bytes, bytes], bytes]]:
    """AES, from a library that is loaded when the first Initial packet comes: a unit without QUIC never does."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    def mask_of(sample: bytes) -> bytes:
        # One block with a key of its own is all that header protection asks for (RFC 9001, 5.4.3).
        return Cipher(algorithms.AES(keys.mask), modes.ECB()).encryptor().update(sample)  # noqa: S305

    def decrypt(nonce: bytes, data: bytes, associated: bytes) -> bytes:
        try:
            return AESGCM(keys.key).decrypt(nonce, data, associated)
        except (InvalidTag, ValueError) as error:
            raise NotQuic("other keys") from error

    return mask_of, decrypt
