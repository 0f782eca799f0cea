"""SSH up to the key exchange: banners and what each side offers (RFC 4253, 4.2 and 7.1); the rest is encrypted.

A server may send other lines before its banner. Packets may be cut over segments and share them; each is bounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omamori.firmware.engine.applications.fingerprints import hashed
from omamori.firmware.engine.applications.layer import Context, Event, Message
from omamori.firmware.engine.reassembly import Piece

_MAX_BANNER = 8 << 10
_LONG_BANNER = 255
_MAX_PACKET = 64 << 10
_KEY_EXCHANGE, _NEW_KEYS = 20, 21
_COOKIE = 16
_LISTS = 8
"""Key exchange, host key, then cipher, MAC and compression for each way."""


@dataclass(frozen=True, slots=True)
class Banner:
    protocol: bytes
    software: bytes
    """With its comment."""


class _Side:
    __slots__ = ("banner", "data", "hassh", "over")

    def __init__(self) -> None:
        self.data = b""
        """Not yet a whole line or packet."""
        self.banner: Banner | None = None
        self.hassh = b""
        """The text whose hash is the fingerprint."""
        self.over = False
        """Nothing in the clear follows, or nothing that can be read."""


class Ssh:
    """The parser of one connection."""

    name = "ssh"
    lost = False

    def __init__(self) -> None:
        self._sides = (_Side(), _Side())

    @property
    def finished(self) -> bool:
        return self._sides[False].over and self._sides[True].over

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        side = self._sides[to_server]
        side.over = side.over or bool(piece.missing)
        if side.over:
            return ()
        side.data += piece.data
        events: set[str] = set()
        known = (side.banner, side.hassh)
        over = self._read(side, events, to_server=to_server)
        if over:
            side.data = b""
        if known == (side.banner, side.hassh) and not events:
            return ()
        buffers = _buffers(side, needs, to_server=to_server)
        return (Message(1, to_server, buffers, complete=over, events=frozenset(events)),)

    def end(self, needs: frozenset[str]) -> Sequence[Event]:  # noqa: ARG002 - the interface's
        return ()

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - one exchange, one context
        banner = self._sides[True].banner or self._sides[False].banner
        return Context(subject=banner.software.decode("utf-8", "backslashreplace") if banner else "")

    def _read(self, side: _Side, events: set[str], *, to_server: bool) -> bool:
        """Nothing that can be read follows."""
        if side.banner is not None or self._has_banner(side, events):
            self._packets(side, events, to_server=to_server)
        return side.over

    @staticmethod
    def _has_banner(side: _Side, events: set[str]) -> bool:
        """It is there now."""
        while b"\n" in side.data:
            line, _, side.data = side.data.partition(b"\n")
            if line.startswith(b"SSH-"):
                protocol, dash, software = line.rstrip(b"\r")[4:].partition(b"-")
                side.banner = Banner(protocol, software)
                if not dash or not software:
                    events.add("ssh.invalid_banner")
                if len(line) > _LONG_BANNER:
                    events.add("ssh.long_banner")
                return True
        if len(side.data) > _MAX_BANNER:
            side.over = True
            events.add("ssh.long_banner")
        return False

    @staticmethod
    def _packets(side: _Side, events: set[str], *, to_server: bool) -> None:
        while len(side.data) >= 6 and not side.over:
            length, padding, kind = int.from_bytes(side.data[:4], "big"), side.data[4], side.data[5]
            if not padding + 2 <= length <= _MAX_PACKET:
                side.over = True
                events.add("ssh.invalid_record")
                break
            if len(side.data) < 4 + length:
                break
            payload, side.data = side.data[6 : 4 + length - padding], side.data[4 + length :]
            if kind == _KEY_EXCHANGE:
                side.hassh = _offered(payload, to_server=to_server)
            # Guessed key exchanges may follow the offer; after the new keys nothing can be read.
            side.over = kind == _NEW_KEYS


def _offered(payload: bytes, *, to_server: bool) -> bytes:
    """`kex;cipher;mac;compression` for the sender's own way; empty where the offer is damaged."""
    at, lists = _COOKIE, []
    for _ in range(_LISTS):
        size = int.from_bytes(payload[at : at + 4], "big")
        at += 4 + size
        if at > len(payload):
            return b""
        lists.append(payload[at - size : at])
    own = 2 if to_server else 3
    return b";".join((lists[0], lists[own], lists[own + 2], lists[own + 4]))


def _buffers(side: _Side, needs: frozenset[str], *, to_server: bool) -> dict[str, list[bytes]]:
    name = "ssh.hassh" if to_server else "ssh.hassh.server"
    table: dict[str, Callable[[], bytes]] = {
        "ssh.proto": lambda: side.banner.protocol if side.banner else b"",
        "ssh.software": lambda: side.banner.software if side.banner else b"",
        name: lambda: hashed(side.hassh) if side.hassh else b"",
        f"{name}.string": lambda: side.hassh,
    }
    made = {name: make() for name, make in table.items() if name in needs}
    return {name: [value] for name, value in made.items() if value}
