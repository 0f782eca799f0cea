"""HTTP messages under the names that rules use: one table, buffer name -> how it is made of a head.

Meanings follow Suricata 7's documentation of its HTTP keywords.
"""

from collections.abc import Callable

from omamori.firmware.engine.applications import http_uri
from omamori.firmware.engine.applications.http_head import Head, Request, Response


def host(request: Request) -> bytes:
    """Lower case, without port: of an absolute target, else of the Host field; empty where there is none."""
    raw = http_uri.host_of(request.target)
    if raw is None:
        raw = request.get(b"host") or (request.target if request.method == b"CONNECT" else b"")
        if not raw.startswith(b"["):
            raw = raw.partition(b":")[0]
    return raw.strip().lower()


def _header(head: Head) -> bytes:
    shown = ((name, value) for name, value in head.fields if name.lower() not in (b"cookie", b"set-cookie"))
    return b"".join(b"%b: %b\r\n" % pair for pair in shown)


def _header_names(head: Head) -> bytes:
    return b"\r\n" + b"".join(name + b"\r\n" for name, _ in head.fields) + b"\r\n"


def _field(name: bytes) -> Callable[[Head], bytes | None]:
    return lambda head: head.get(name)


_BOTH: dict[str, Callable[[Head], bytes | None]] = {
    "http.header": _header,
    "http.header.raw": lambda head: head.raw_fields,
    "http.header_names": _header_names,
    "http.start": lambda head: head.line + b"\r\n" + head.raw_fields,
    "http.content_type": _field(b"content-type"),
    "http.content_len": _field(b"content-length"),
    "http.connection": _field(b"connection"),
}
_REQUEST: dict[str, Callable[[Request], bytes | None]] = {
    **_BOTH,
    "http.method": lambda head: head.method,
    "http.uri": lambda head: http_uri.normalised(head.target),
    "http.uri.raw": lambda head: head.target,
    "http.request_line": lambda head: head.line,
    "http.protocol": lambda head: head.protocol,
    "http.host": lambda head: host(head) or None,
    "http.host.raw": lambda head: http_uri.host_of(head.target) or head.get(b"host"),
    "http.user_agent": _field(b"user-agent"),
    "http.cookie": _field(b"cookie"),
    "http.referer": _field(b"referer"),
    "http.accept": _field(b"accept"),
    "http.accept_enc": _field(b"accept-encoding"),
    "http.accept_lang": _field(b"accept-language"),
}
_RESPONSE: dict[str, Callable[[Response], bytes | None]] = {
    **_BOTH,
    "http.protocol": lambda head: head.protocol,
    "http.response_line": lambda head: head.line,
    "http.stat_code": lambda head: b"%d" % head.status,
    "http.stat_msg": lambda head: head.reason,
    "http.cookie": _field(b"set-cookie"),
    "http.location": _field(b"location"),
    "http.server": _field(b"server"),
}


def of_request(head: Request, needs: frozenset[str]) -> dict[str, list[bytes]]:
    """The needed buffers that this request has; a field that is absent has no buffer."""
    found = {name: make(head) for name, make in _REQUEST.items() if name in needs}
    return {**_present(found), **_each_field(head, "http.request_header", needs)}


def of_response(head: Response, needs: frozenset[str]) -> dict[str, list[bytes]]:
    """The same for a response."""
    found = {name: make(head) for name, make in _RESPONSE.items() if name in needs}
    return {**_present(found), **_each_field(head, "http.response_header", needs)}


def _present(found: dict[str, bytes | None]) -> dict[str, list[bytes]]:
    return {name: [value] for name, value in found.items() if value is not None}


def _each_field(head: Head, name: str, needs: frozenset[str]) -> dict[str, list[bytes]]:
    return {name: [b"%b: %b" % pair for pair in head.fields]} if name in needs else {}
