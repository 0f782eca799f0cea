"""HTTP messages under the names that rules use: one table, buffer name -> how it is made of a head.

Meanings follow Suricata 7's documentation of its HTTP keywords.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TypeAlias, TypeVar

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


_How: TypeAlias = bytes | Callable[[Fields], bytes]
"""The field whose value a buffer is, or how it is made of all of them."""
_OfFields: TypeAlias = Mapping[str, _How]
_BOTH: _OfFields = {
    "http.header": _header,
    "http.header.raw": lambda fields: fields.raw,
    "http.header_names": _header_names,
    "http.content_type": b"content-type",
    "http.content_len": b"content-length",
    "http.connection": b"connection",
}
_REQUEST_FIELDS: _OfFields = {
    **_BOTH,
    "http.user_agent": b"user-agent",
    "http.cookie": b"cookie",
    "http.referer": b"referer",
    "http.accept": b"accept",
    "http.accept_enc": b"accept-encoding",
    "http.accept_lang": b"accept-language",
}
_RESPONSE_FIELDS: _OfFields = {
    **_BOTH,
    "http.cookie": b"set-cookie",
    "http.location": b"location",
    "http.server": b"server",
}
_REQUEST: Mapping[str, Callable[[Request], bytes | None]] = {
    "http.start": lambda head: head.line + b"\r\n" + head.fields.raw,
    "http.method": attrgetter("method"),
    "http.uri": lambda head: http_uri.normalised(head.target),
    "http.uri.raw": attrgetter("target"),
    "http.request_line": attrgetter("line"),
    "http.protocol": attrgetter("protocol"),
    "http.host": lambda head: head.host or None,
    "http.host.raw": lambda head: head.authority or head.get(b"host"),
}
_RESPONSE: Mapping[str, Callable[[Response], bytes | None]] = {
    "http.start": lambda head: head.line + b"\r\n" + head.fields.raw,
    "http.protocol": attrgetter("protocol"),
    "http.response_line": attrgetter("line"),
    "http.stat_code": lambda head: b"%d" % head.status,
    "http.stat_msg": attrgetter("reason"),
}
_REQUEST_NAMES = frozenset((*_REQUEST_FIELDS, "http.request_header"))
Head = TypeVar("Head", Request, Response)


class _Wanted:
    """What of the tables somebody asks for."""

    __slots__ = ("request", "request_fields", "response", "response_fields")

    def __init__(self, needs: frozenset[str]) -> None:
        self.request = [entry for entry in _REQUEST.items() if entry[0] in needs]
        self.response = [entry for entry in _RESPONSE.items() if entry[0] in needs]
        self.request_fields = [entry for entry in _REQUEST_FIELDS.items() if entry[0] in needs]
        self.response_fields = [entry for entry in _RESPONSE_FIELDS.items() if entry[0] in needs]


_wanted = lru_cache(maxsize=16)(_Wanted)


def of_request(head: Request, needs: frozenset[str]) -> dict[str, Sequence[bytes]]:
    """The needed buffers that this request has; a field that is absent has no buffer."""
    kept, wanted = head.fields.made, _wanted(needs)
    if kept is not None and kept.needs is needs:
        found = kept.copy()
    else:
        each = "http.request_header" if "http.request_header" in needs else ""
        found = _of_fields(head.fields, wanted.request_fields, each)
        if kept is not None:
            head.fields.made = Kept(found, _REQUEST_NAMES, needs)
    return _with_line(found, head, wanted.request)


def of_response(head: Response, needs: frozenset[str]) -> dict[str, Sequence[bytes]]:
    """The same for a response."""
    wanted = _wanted(needs)
    each = "http.response_header" if "http.response_header" in needs else ""
    return _with_line(_of_fields(head.fields, wanted.response_fields, each), head, wanted.response)


def _of_fields(fields: Fields, wanted: Sequence[tuple[str, _How]], each: str) -> dict[str, Sequence[bytes]]:
    """`each` is the buffer that has every field apart, if somebody asks for it."""
    found: dict[str, Sequence[bytes]] = {}
    values = fields.values
    for name, how in wanted:
        value = values.get(how) if isinstance(how, bytes) else how(fields)
        if value is not None:
            found[name] = [value]
    if each:
        found[each] = [b"%b: %b" % pair for pair in fields.pairs]
    return found


def _with_line(
    found: dict[str, Sequence[bytes]],
    head: Head,
    wanted: Sequence[tuple[str, Callable[[Head], bytes | None]]],
) -> dict[str, Sequence[bytes]]:
    for name, make in wanted:
        value = make(head)
        if value is not None:
            found[name] = [value]
    return found
