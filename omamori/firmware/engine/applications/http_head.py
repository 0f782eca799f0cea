"""Heads of HTTP/1 messages: lines and fields as they came, and what they say about the body that follows (RFC 9112).

Lenient as receivers are: bare line feeds, folded fields and odd spaces are taken, for an attacker would use them.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

_MAX_FIELDS = 256
_STATUS = re.compile(rb"\S+[ \t\r]+(\d{3})(?!\d)[ \t]*([^\r\n]*)")
_LINE_END = re.compile(rb"\r?\n|\r")
_NUMBER = re.compile(rb"\d{1,15}")


class Framing(Enum):
    """How the end of a body is known."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()


@dataclass(slots=True)
class Head:
    """A request's or a response's."""

    line: bytes
    raw_fields: bytes
    """The field lines and the empty line after them."""
    fields: list[tuple[bytes, bytes]]
    """Name as sent, value without the spaces around it."""
    _values: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.fields:
            key = name.lower()
            # Repeated fields mean one list (RFC 9110, 5.3).
            self._values[key] = self._values[key] + b", " + value if key in self._values else value

    def get(self, name: bytes) -> bytes | None:
        """The value of a field by its lower-case name."""
        return self._values.get(name)


@dataclass(slots=True)
class Request(Head):
    method: bytes = b""
    target: bytes = b""
    protocol: bytes = b""


@dataclass(slots=True)
class Response(Head):
    protocol: bytes = b""
    status: int = 0
    reason: bytes = b""


def parse_request(block: bytes) -> Request | None:
    """From a request's head up to and with its empty line; None if it is none."""
    line, raw, fields = _split(block)
    method, _, rest = line.partition(b" ")
    target, space, protocol = rest.strip(b" ").rpartition(b" ")
    if not space:
        target, protocol = protocol, b""
    if not protocol.startswith(b"HTTP/"):
        target, protocol = rest.strip(b" "), b""
    if not method or not target:
        return None
    return Request(line, raw, fields, method=method, target=target.rstrip(b" "), protocol=protocol)


def parse_response(block: bytes) -> Response | None:
    """The same for a response; its status is 0 where none can be read."""
    line, raw, fields = _split(block)
    if not line.startswith(b"HTTP"):
        return None
    status = _STATUS.match(line)
    number, reason = (int(status[1]), status[2]) if status else (0, b"")
    return Response(line, raw, fields, protocol=line.partition(b" ")[0], status=number, reason=reason)


def request_body(request: Request) -> tuple[Framing, int]:
    """How its body ends, and the length where that is stated."""
    framing, length = _stated(request)
    return (Framing.NONE, 0) if framing is Framing.CLOSE else (framing, length)


def response_body(response: Response, method: bytes) -> tuple[Framing, int]:
    """The same for the response to a request by `method`."""
    if method == b"HEAD" or response.status in (204, 304) or 100 <= response.status < 200:
        return Framing.NONE, 0
    return _stated(response)


def opens_tunnel(response: Response, method: bytes) -> bool:
    """What follows on the connection is not HTTP."""
    if response.status == 101:
        return response.get(b"upgrade") is not None
    return method == b"CONNECT" and 200 <= response.status < 300


def _stated(head: Head) -> tuple[Framing, int]:
    encoding = head.get(b"transfer-encoding")
    if encoding is not None and b"chunked" in encoding.lower():
        return Framing.CHUNKED, 0
    length = _NUMBER.search(head.get(b"content-length") or b"")
    return (Framing.LENGTH, int(length[0])) if length else (Framing.CLOSE, 0)


def _split(block: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    line, _, raw = block.partition(b"\n")
    fields: list[tuple[bytes, bytes]] = []
    for text in _LINE_END.split(raw, _MAX_FIELDS)[:_MAX_FIELDS]:
        name, colon, value = text.partition(b":")
        if fields and text.strip() and (not colon or text[0] in b" \t"):
            fields[-1] = (fields[-1][0], fields[-1][1] + b" " + text.strip())
        elif colon:
            fields.append((name.strip(), value.strip()))
    return line.rstrip(b"\r"), raw, fields
