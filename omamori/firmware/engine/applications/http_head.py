"""Heads of HTTP/1 messages: lines and fields as they came, and what they say about the body that follows (RFC 9112).

Lenient as receivers are: bare line feeds, folded fields and odd spaces are taken, for an attacker would use them.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

_MAX_FIELDS = 256
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?:[ \t]+([^\r\n]*))?")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_CHUNKED = re.compile(rb"(?:^|,)\s*chunked\s*$", re.IGNORECASE)


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
    """The same for a response."""
    line, raw, fields = _split(block)
    status = _STATUS.match(line)
    if status is None:
        return None
    protocol = line.partition(b" ")[0]
    return Response(line, raw, fields, protocol=protocol, status=int(status[1]), reason=status[2] or b"")


def request_body(request: Request) -> tuple[Framing, int]:
    """How its body ends, and the length where that is stated."""
    framing, length = _stated(request)
    return (Framing.NONE, 0) if framing is Framing.CLOSE else (framing, length)


def response_body(response: Response, method: bytes) -> tuple[Framing, int]:
    """The same for the response to a request by `method`."""
    if method == b"HEAD" or response.status in (204, 304) or response.status < 200:
        return Framing.NONE, 0
    return _stated(response)


def _stated(head: Head) -> tuple[Framing, int]:
    encoding = head.get(b"transfer-encoding")
    if encoding is not None and _CHUNKED.search(encoding):
        return Framing.CHUNKED, 0
    length = (head.get(b"content-length") or b"").partition(b",")[0].strip()
    if length.isdigit() and len(length) < 16:
        return Framing.LENGTH, int(length)
    return Framing.CLOSE, 0


def _split(block: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    line, _, raw = block.partition(b"\n")
    unfolded = _FOLD.sub(b" ", raw) if b"\n " in raw or b"\n\t" in raw else raw
    fields = []
    for text in unfolded.split(b"\n", _MAX_FIELDS)[:_MAX_FIELDS]:
        name, colon, value = text.partition(b":")
        if colon:
            fields.append((name.strip(), value.strip()))
    return line.rstrip(b"\r"), raw, fields
