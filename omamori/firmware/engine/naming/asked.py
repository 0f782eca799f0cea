"""The server's name that a client asks for, in the first bytes of a connection: TLS hello or HTTP head."""

from typing import Final

from omamori.firmware.engine.applications.tls_hello import NotTls, parse_client

_HTTP_METHODS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ", b"PATCH ", b"DELETE ")


def asked_host(start: bytes) -> bytes | None:
    """The server's name in the first bytes of a client; None where there is none, or not yet."""
    if start[:1] == b"\x16":
        return _tls_host(start)
    if start.startswith(_HTTP_METHODS):
        return _http_host(start)
    return None


def _tls_host(start: bytes) -> bytes | None:
    """A hello may lie in several records."""
    body, at = b"", 0
    while at + 5 <= len(start) and start[at] == 0x16:
        size = int.from_bytes(start[at + 3 : at + 5], "big")
        body += start[at + 5 : at + 5 + size]
        at += 5 + size
    if len(body) < 4 or body[0] != 1 or len(body) < 4 + int.from_bytes(body[1:4], "big"):
        return None
    try:
        return parse_client(body[4 : 4 + int.from_bytes(body[1:4], "big")]).name or None
    except NotTls:
        return None


def _http_host(start: bytes) -> bytes | None:
    """Only whole lines count; the last one may not have ended."""
    lines = (
        start.partition(b"\r\n\r\n")[0].split(b"\r\n") if b"\r\n\r\n" in start else start.split(b"\r\n")[:-1]
    )
    for line in lines[1:64]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"host":
            return value.strip() or None
    return None
