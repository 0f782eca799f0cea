"""TLS up to the hellos and, before TLS 1.3, the server's certificate: all that is in the clear (RFC 8446, 5246).

Handshake messages may be cut over records and records over segments. What comes after them is encrypted: `finished`.
"""

from collections.abc import Sequence
from hashlib import md5, sha1

from omamori.firmware.engine.applications import certificate
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

_HANDSHAKE = 22
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _DONE = 1, 2, 11, 14
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
            end = 5 + int.from_bytes(side.records[3:5], "big")
            if side.records[0] != _HANDSHAKE or side.records[1] != 3:
                side.over = True
            elif len(side.records) < end:
                break
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
        return events

    def _message(
        self, kind: int, body: bytes, side: _Side, needs: frozenset[str], *, to_server: bool
    ) -> list[Event]:
        if kind == _CLIENT_HELLO and to_server:
            self._client = parse_client(body)
            asked: list[Event] = [SiteAsked(self._client.name, How.TLS)] if self._client.name else []
            return [*asked, Message(1, to_server, _wanted(_client_buffers(self._client), needs))]
        if kind == _SERVER_HELLO and not to_server:
            self._server = parse_server(body)
            side.over = self._server.version >= 0x0304
            return [Message(1, to_server, _wanted(self._server_buffers(), needs), complete=side.over)]
        if kind == _CERTIFICATE and not to_server and self._server is not None and not self._chain:
            self._chain = parse_certificates(body)
            self._certificate = certificate.parse(self._chain[0]) if self._chain else None
            return [Message(1, to_server, _wanted(self._server_buffers(), needs))]
        side.over = side.over or kind == _DONE
        return []

    def _server_buffers(self) -> dict[str, bytes]:
        assert self._server is not None  # noqa: S101 - asked by the callers
        ja3s = self._server.ja3.encode()
        buffers = {
            "tls.version": _SHORT.get(self._server.version, b""),
            "ja3s.string": ja3s,
            "ja3s.hash": _md5(ja3s),
        }
        if self._chain:
            buffers |= {
                "tls.certs": self._chain[0],
                "tls.cert_fingerprint": _fingerprint(self._chain[0]).encode(),
            }
        if self._certificate:
            buffers["tls.cert_subject"] = self._certificate.subject.encode()
            buffers["tls.cert_issuer"] = self._certificate.issuer.encode()
            buffers["tls.cert_serial"] = self._certificate.serial.encode()
        return buffers


def _client_buffers(hello: ClientHello) -> dict[str, bytes]:
    ja3 = hello.ja3.encode()
    version = _SHORT.get(hello.version, b"")
    return {"tls.sni": hello.name, "tls.version": version, "ja3.string": ja3, "ja3.hash": _md5(ja3)}


def _wanted(buffers: dict[str, bytes], needs: frozenset[str]) -> dict[str, list[bytes]]:
    return {name: [value] for name, value in buffers.items() if value and name in needs}


def _md5(text: bytes) -> bytes:
    return md5(text, usedforsecurity=False).hexdigest().encode()  # JA3 is defined so


def _fingerprint(der: bytes) -> str:
    return sha1(der, usedforsecurity=False).digest().hex(":")  # as the rules write it
