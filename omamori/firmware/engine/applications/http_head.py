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
_FRAMING = re.compile(rb"[ \t\0]*(?:transfer-encoding|content-(?:encoding|length))[ \t\0]*:", re.IGNORECASE)


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
            # Some receivers ignore a zero byte in a name, so it is a way past scanners that do not.
            key = name.lower().replace(b"\0", b"")
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
    if line[:4].upper() != b"HTTP":
        return None
    status = _STATUS.match(line)
    number, reason = (int(status[1]), status[2]) if status else (0, b"")
    return Response(line, raw, fields, protocol=line.partition(b" ")[0], status=number, reason=reason)


def request_body(request: Request) -> tuple[Framing, int]:
    """How its body ends, and the length where that is stated."""
    framing, length = stated(request)
    return (Framing.NONE, 0) if framing is Framing.CLOSE else (framing, length)


def response_body(response: Response, method: bytes) -> tuple[Framing, int]:
    """The same for the response to a request by `method`."""
    if method == b"HEAD" or response.status in (204, 304) or 100 <= response.status < 200:
        return Framing.NONE, 0
    return stated(response)


def opens_tunnel(response: Response, request: Request | None) -> bool:
    """What follows on the connection is not HTTP: the client wanted so, and the server agrees."""
    if response.status == 101:
        wanted = request is None or request.get(b"upgrade") is not None
        return wanted and response.get(b"upgrade") is not None
    return request is not None and request.method == b"CONNECT" and 200 <= response.status < 300


def encodings(head: Head) -> bytes:
    """What the fields say of how the body is encoded, what is undone first last."""
    values = (head.get(b"content-encoding"), head.get(b"transfer-encoding"))
    return b", ".join(value.replace(b"\0", b"") for value in values if value)


def stated(head: Head) -> tuple[Framing, int]:
    """How its fields say the body ends, whether there should be one or not."""
    if b"chunked" in (head.get(b"transfer-encoding") or b"").lower().replace(b"\0", b""):
        return Framing.CHUNKED, 0
    lengths = [int(number) for number in _NUMBER.findall(head.get(b"content-length") or b"")]
    # Receivers differ on which of several counts; the largest hides nothing from the scan.
    return (Framing.LENGTH, max(lengths)) if lengths else (Framing.CLOSE, 0)


def _split(block: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    first, _, raw = block.partition(b"\n")
    line, _, hidden = first.rstrip(b"\r").partition(b"\r")
    fields: list[tuple[bytes, bytes]] = []
    for text in _unfolded(
        _LINE_END.split(hidden + b"\n" + raw if hidden else raw, _MAX_FIELDS)[:_MAX_FIELDS]
    ):
        name, colon, value = text.partition(b":")
        if colon:
            fields.append((name.strip(), value.strip()))
        elif fields:
            fields[-1] = (fields[-1][0], fields[-1][1] + b" " + text.strip())
    return line, raw, fields


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """Field lines with the lines that continue them; a continuation that looks like framing counts as a field, too."""
    whole: list[bytes] = []
    for text in lines:
        if whole and text[:1] in (b" ", b"\t") and text.strip():
            whole[-1] += b" " + text.strip()
            if _FRAMING.match(text):
                whole.append(text)
        elif text.strip():
            whole.append(text)
    return whole
