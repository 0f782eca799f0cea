"""HTTP messages under the names that rules use: one table, buffer name -> how it is made of a head.

Meanings follow Suricata 7's documentation of its HTTP keywords.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from omamori.firmware.engine.applications import http_uri
from omamori.firmware.engine.applications.http_fields import Fields
from omamori.firmware.engine.applications.http_head import Request, Response
from omamori.firmware.engine.inspection import Kept


def _header(fields: Fields) -> bytes:
    if fields.regular and b"cookie" not in fields.values and b"set-cookie" not in fields.values:
        return fields.raw[:-2]
    shown = (pair for pair in fields.pairs if pair[0].lower() not in (b"cookie", b"set-cookie"))
    return b"".join(b"%b: %b\r\n" % pair for pair in shown)


def _header_names(fields: Fields) -> bytes:
    return b"\r\n" + b"".join([name + b"\r\n" for name, _ in fields.pairs]) + b"\r\n"


def _field(name: bytes) -> Callable[[Fields], bytes | None]:
    return lambda fields: fields.values.get(name)


_BOTH: dict[str, Callable[[Fields], bytes | None]] = {
    "http.header": _header,
    "http.header.raw": lambda fields: fields.raw,
    "http.header_names": _header_names,
    "http.content_type": _field(b"content-type"),
    "http.content_len": _field(b"content-length"),
    "http.connection": _field(b"connection"),
}
_REQUEST_FIELDS: dict[str, Callable[[Fields], bytes | None]] = {
    **_BOTH,
    "http.user_agent": _field(b"user-agent"),
    "http.cookie": _field(b"cookie"),
    "http.referer": _field(b"referer"),
    "http.accept": _field(b"accept"),
    "http.accept_enc": _field(b"accept-encoding"),
    "http.accept_lang": _field(b"accept-language"),
}
_RESPONSE_FIELDS: dict[str, Callable[[Fields], bytes | None]] = {
    **_BOTH,
    "http.cookie": _field(b"set-cookie"),
    "http.location": _field(b"location"),
    "http.server": _field(b"server"),
}
_REQUEST: dict[str, Callable[[Request], bytes | None]] = {
    "http.start": lambda head: head.line + b"\r\n" + head.fields.raw,
    "http.method": lambda head: head.method,
    "http.uri": lambda head: http_uri.normalised(head.target),
    "http.uri.raw": lambda head: head.target,
    "http.request_line": lambda head: head.line,
    "http.protocol": lambda head: head.protocol,
    "http.host": lambda head: head.host or None,
    "http.host.raw": lambda head: http_uri.host_of(head.target) or head.get(b"host"),
}
_RESPONSE: dict[str, Callable[[Response], bytes | None]] = {
    "http.start": lambda head: head.line + b"\r\n" + head.fields.raw,
    "http.protocol": lambda head: head.protocol,
    "http.response_line": lambda head: head.line,
    "http.stat_code": lambda head: b"%d" % head.status,
    "http.stat_msg": lambda head: head.reason,
}
_REQUEST_NAMES = frozenset((*_REQUEST_FIELDS, "http.request_header"))
Head = TypeVar("Head", Request, Response)


def of_request(head: Request, needs: frozenset[str]) -> dict[str, Sequence[bytes]]:
    """The needed buffers that this request has; a field that is absent has no buffer."""
    kept = head.fields.made
    if kept is None:
        found = _of_fields(head.fields, _REQUEST_FIELDS, "http.request_header", needs)
    elif kept.needs is needs:
        found = kept.copy()
    else:
        found = _of_fields(head.fields, _REQUEST_FIELDS, "http.request_header", needs)
        head.fields.made = Kept(found, _REQUEST_NAMES, needs)
    return _with_line(found, head, _REQUEST, needs)


def of_response(head: Response, needs: frozenset[str]) -> dict[str, Sequence[bytes]]:
    """The same for a response."""
    found = _of_fields(head.fields, _RESPONSE_FIELDS, "http.response_header", needs)
    return _with_line(found, head, _RESPONSE, needs)


def _of_fields(
    fields: Fields, table: Mapping[str, Callable[[Fields], bytes | None]], each: str, needs: frozenset[str]
) -> dict[str, Sequence[bytes]]:
    found: dict[str, Sequence[bytes]] = {}
    for name, make in table.items():
        if name in needs and (value := make(fields)) is not None:
            found[name] = [value]
    if each in needs:
        found[each] = [b"%b: %b" % pair for pair in fields.pairs]
    return found


def _with_line(
    found: dict[str, Sequence[bytes]],
    head: Head,
    table: Mapping[str, Callable[[Head], bytes | None]],
    needs: frozenset[str],
) -> dict[str, Sequence[bytes]]:
    for name, make in table.items():
        if name in needs and (value := make(head)) is not None:
            found[name] = [value]
    return found
