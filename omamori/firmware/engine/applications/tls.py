"""TLS up to the hellos and, before TLS 1.3, the server's certificate: all that is in the clear (RFC 8446, 5246).

Handshake messages may be cut over records and records over segments. What comes after them is encrypted: `finished`.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from typing import TypeVar

from omamori.firmware.engine.applications import certificate
from omamori.firmware.engine.applications.fingerprints import hashed
from omamori.firmware.engine.applications.layer import Context, Event, How, Message, SiteAsked
from omamori.firmware.engine.applications.tls_hello import (
    ClientHello,
    NotTls,
    ServerHello,
    parse_certificates,
    parse_client,
    parse_server,
)
from omamori.firmware.engine.reassembly import Piece

_Of = TypeVar("_Of")
_ALERT, _HANDSHAKE = 21, 22
_FATAL = b"\x02"
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _DONE = 1, 2, 11, 14
_RECORDS = frozenset(range(20, 25))
_INVALID_RECORD = frozenset(("tls.invalid_record_type",))
_INVALID_HANDSHAKE = frozenset(("tls.invalid_handshake_message",))
_MAX_HANDSHAKE = 64 << 10
_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_SHORT = {0x0300: b"ssl3", 0x0301: b"1.0", 0x0302: b"1.1", 0x0303: b"1.2", 0x0304: b"1.3"}


class _Side:
    __slots__ = ("handshake", "over", "records")

    def __init__(self) -> None:
        self.records = b""
        """Of a record that is not whole yet."""
        self.handshake = b""
        self.over = False
        """Nothing in the clear follows."""


class Tls:
    """The parser of one connection."""

    name = "tls"

    def __init__(self) -> None:
        self._sides = (_Side(), _Side())
        self._client: ClientHello | None = None
        self._server: ServerHello | None = None
        self._certificate: certificate.Certificate | None = None
        self._chain: tuple[bytes, ...] = ()
        self.lost = False

    @property
    def finished(self) -> bool:
        return self._sides[False].over and (self._client is not None or self._sides[True].over)

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        side = self._sides[to_server]
        if piece.missing or side.over:
            side.over = True
            return ()
        side.records += piece.data
        events: list[Event] = []
        while not side.over and len(side.records) >= 5:
            kind, end = side.records[0], 5 + int.from_bytes(side.records[3:5], "big")
            early = kind == _ALERT and (self._client if to_server else self._server) is None
            if not (kind == _HANDSHAKE or early) or side.records[1] != 3:
                side.over = True
                if kind not in _RECORDS or side.records[1] != 3:
                    events.append(Message(1, to_server, {}, events=_INVALID_RECORD))
            elif len(side.records) < end:
                break
            elif early:  # a warning may come before the hello
                side.over = side.records[5:end][:1] == _FATAL
                side.records = side.records[end:]
            else:
                side.handshake += side.records[5:end]
                side.records = side.records[end:]
                events += self._messages(side, needs, to_server=to_server)
        if side.over:
            side.records = side.handshake = b""
        return events

    def end(self, needs: frozenset[str]) -> Sequence[Event]:  # noqa: ARG002 - the interface's
        return ()

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - one handshake, one context
        record: dict[str, object] = {}
        name = self._client.name.decode("utf-8", "backslashreplace") if self._client else ""
        if self._certificate:
            record |= {"subject": self._certificate.subject, "issuerdn": self._certificate.issuer}
            record |= {"serial": self._certificate.serial, "fingerprint": _fingerprint(self._chain[0])}
        if name:
            record["sni"] = name
        if self._server:
            record["version"] = _VERSIONS.get(self._server.version, hex(self._server.version))
        return Context(tls=record, subject=name)

    def _messages(self, side: _Side, needs: frozenset[str], *, to_server: bool) -> list[Event]:
        events: list[Event] = []
        while len(side.handshake) >= 4 and not side.over:
            end = 4 + int.from_bytes(side.handshake[1:4], "big")
            if end > _MAX_HANDSHAKE:
                side.over = True
            if len(side.handshake) < end or side.over:
                break
            kind, body, side.handshake = side.handshake[0], side.handshake[4:end], side.handshake[end:]
            try:
                events += self._message(kind, body, side, needs, to_server=to_server)
            except NotTls:
                side.over = True
                events.append(Message(1, to_server, {}, events=_INVALID_HANDSHAKE))
        return events

    def _message(
        self, kind: int, body: bytes, side: _Side, needs: frozenset[str], *, to_server: bool
    ) -> list[Event]:
        if kind == _CLIENT_HELLO and to_server:
            self._client = parse_client(body)
            asked: list[Event] = [SiteAsked(self._client.name, How.TLS)] if self._client.name else []
            return [*asked, Message(1, to_server, client_buffers(self._client, needs))]
        if kind == _SERVER_HELLO and not to_server:
            self._server = parse_server(body)
            side.over = self._server.version >= 0x0304
            return [Message(1, to_server, self._server_buffers(needs), complete=side.over)]
        if kind == _CERTIFICATE and not to_server and self._server is not None and not self._chain:
            self._chain = parse_certificates(body)
            self._certificate = certificate.parse(self._chain[0]) if self._chain else None
            return [Message(1, to_server, self._server_buffers(needs))]
        side.over = side.over or kind == _DONE
        return []

    def _server_buffers(self, needs: frozenset[str]) -> dict[str, list[bytes]]:
        assert self._server is not None  # noqa: S101 - asked by the callers
        found = _made(_SERVER, self._server, needs)
        if self._chain and "tls.certs" in needs:
            found["tls.certs"] = list(self._chain)
        if self._chain and "tls.cert_fingerprint" in needs:
            found["tls.cert_fingerprint"] = [_fingerprint(self._chain[0]).encode()]
        if self._certificate:
            found |= _made(_CERTIFICATE_BUFFERS, self._certificate, needs)
            if self._certificate.names and "tls.subjectaltname" in needs:
                found["tls.subjectaltname"] = list(self._certificate.names)
        return found


_Hello = ClientHello | ServerHello
_RANDOM: dict[str, Callable[[_Hello], bytes]] = {
    "tls.random": lambda hello: hello.random,
    "tls.random_time": lambda hello: hello.random[:4],
    "tls.random_bytes": lambda hello: hello.random[4:],
    "tls.version": lambda hello: _SHORT.get(hello.version, b""),
}
_CLIENT: dict[str, Callable[[ClientHello], bytes]] = {
    **_RANDOM,
    "tls.sni": lambda hello: hello.name,
    "ja3.string": lambda hello: hello.ja3.encode(),
    "ja3.hash": lambda hello: hashed(hello.ja3.encode()),
    "ja4.hash": lambda hello: hello.ja4("t").encode(),
}
_SERVER: dict[str, Callable[[ServerHello], bytes]] = {
    **_RANDOM,
    "ja3s.string": lambda hello: hello.ja3.encode(),
    "ja3s.hash": lambda hello: hashed(hello.ja3.encode()),
}
_CERTIFICATE_BUFFERS: dict[str, Callable[[certificate.Certificate], bytes]] = {
    "tls.cert_subject": lambda found: found.subject.encode(),
    "tls.cert_issuer": lambda found: found.issuer.encode(),
    "tls.cert_serial": lambda found: found.serial.encode(),
}


def client_buffers(hello: ClientHello, needs: frozenset[str]) -> dict[str, list[bytes]]:
    """The needed buffers that a client's hello fills."""
    return _made(_CLIENT, hello, needs)


def _made(
    table: Mapping[str, Callable[[_Of], bytes]], source: _Of, needs: frozenset[str]
) -> dict[str, list[bytes]]:
    made = {name: make(source) for name, make in table.items() if name in needs}
    return {name: [value] for name, value in made.items() if value}


def _fingerprint(der: bytes) -> str:
    return sha1(der, usedforsecurity=False).digest().hex(":")  # as the rules write it
