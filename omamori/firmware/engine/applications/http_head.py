"""Heads of HTTP/1 messages: lines and fields as they came, and what they say about the body that follows (RFC 9112).

Lenient as receivers are: bare line feeds, folded fields and odd spaces are taken, for an attacker would use them.
"""

import re
from collections.abc import Sequence
from enum import Enum, auto

from omamori.firmware.engine.applications import http_fields, http_uri
from omamori.firmware.engine.applications.http_fields import FieldMemory, Fields

_STATUS = re.compile(rb"\S+[ \t\r]+(\d{3})(?!\d)[ \t]*([^\r\n]*)")
_NUMBER = re.compile(rb"\d{1,15}")
_AUTHORITY = re.compile(rb"(?:\[[^\]/]*\]|[^\[:/?#]+)(?=:\d*\Z|\Z)")
_BEFORE = b"\r\n\t\v\f \0"
_SPACES = b" \t\v\f"
_METHOD_END = re.compile(rb"[\t\v\f]")
_VERSION = re.compile(rb"[ \t\v\f](HTTP/[^ \t\v\f]*)\Z", re.IGNORECASE)


class Framing(Enum):
    """How the end of a body is known."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()


class Head:
    """A request's or a response's."""

    __slots__ = ("fields", "line")

    def __init__(self, line: bytes, fields: Fields) -> None:
        self.line, self.fields = line, fields

    def get(self, name: bytes) -> bytes | None:
        """The value of a field by its lower-case name."""
        return self.fields.values.get(name)


class Request(Head):
    __slots__ = ("_host", "method", "protocol", "target")

    def __init__(
        self, line: bytes, fields: Fields, *, method: bytes = b"", target: bytes = b"", protocol: bytes = b""
    ) -> None:
        self.line, self.fields = line, fields
        self.method, self.target, self.protocol = method, target, protocol
        self._host: bytes | None = None

    @property
    def host(self) -> bytes:
        """Lower case, without port: of the target, else of the Host field; empty where there is none."""
        if self._host is None:
            raw = self.authority
            if raw is None:
                raw = self.fields.values.get(b"host", b"").rpartition(b"@")[2]
                if not raw.startswith(b"["):
                    raw = raw.partition(b":")[0]
            self._host = raw.strip().lower()
        return self._host

    @property
    def authority(self) -> bytes | None:
        """The host that the target names, as written, where it names one (RFC 9112, 3.2.2 and 3.2.3)."""
        if self.method == b"CONNECT" and (named := _AUTHORITY.match(self.target.rpartition(b"@")[2])):
            return named[0]
        return http_uri.host_of(self.target)


class Response(Head):
    __slots__ = ("protocol", "reason", "status")

    def __init__(
        self, line: bytes, fields: Fields, *, protocol: bytes = b"", status: int = 0, reason: bytes = b""
    ) -> None:
        self.line, self.fields = line, fields
        self.protocol, self.status, self.reason = protocol, status, reason


def parse_request(block: bytes, memory: FieldMemory | None = None) -> Request | None:
    """From a request's head up to and with its empty line; None if it is none."""
    line, fields = _split(block if block[:1] > b" " else block.lstrip(_BEFORE), memory)
    method, _, rest = line.partition(b" ")
    if not method.isalpha() and (other := _METHOD_END.search(method)):
        method, rest = line[: other.start()], line[other.end() :]
    rest = rest.strip(_SPACES)
    target, _, protocol = rest.rpartition(b" ")
    if not protocol.startswith(b"HTTP/"):
        version = _VERSION.search(rest)
        target, protocol = (rest[: version.start()], version[1]) if version else (rest, b"")
    if not method or not target:
        return None
    return Request(line, fields, method=method, target=target.rstrip(_SPACES), protocol=protocol)


def parse_response(block: bytes) -> Response | None:
    """The same for a response; its status is 0 where none can be read."""
    line, fields = _split(block, None)
    if line[:4].upper() != b"HTTP":
        return None
    status = _STATUS.match(line)
    number, reason = (int(status[1]), status[2]) if status else (0, b"")
    return Response(line, fields, protocol=line.partition(b" ")[0], status=number, reason=reason)


def request_body(request: Request) -> tuple[Framing, int]:
    """How its body ends, and the length where that is stated."""
    framing, lengths = _stated(request)
    # Servers that do not refuse several lengths take the first: what follows is the next request.
    return (Framing.NONE, 0) if framing is Framing.CLOSE else (framing, lengths[0])


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
    get = head.fields.values.get
    values = (get(b"content-encoding"), get(b"transfer-encoding"))
    return b", ".join([value.replace(b"\0", b"") for value in values if value])


def stated(head: Head) -> tuple[Framing, int]:
    """How its fields say the body ends, whether there should be one or not."""
    framing, lengths = _stated(head)
    # Receivers differ on which of several counts; the largest hides nothing from the scan.
    return framing, max(lengths)


def _stated(head: Head) -> tuple[Framing, Sequence[int]]:
    """With all lengths that are given; one of zero where none is or counts."""
    values = head.fields.values
    transfer = values.get(b"transfer-encoding")
    if transfer and b"chunked" in transfer.lower().replace(b"\0", b""):
        return Framing.CHUNKED, (0,)
    length = values.get(b"content-length")
    lengths = [int(number) for number in _NUMBER.findall(length)] if length else []
    return (Framing.LENGTH, lengths) if lengths else (Framing.CLOSE, (0,))


def _split(block: bytes, memory: FieldMemory | None) -> tuple[bytes, Fields]:
    first, _, raw = block.partition(b"\n")
    line, _, hidden = first.rstrip(b"\r").partition(b"\r")
    if memory is not None and not hidden:
        return line, memory.of(raw)
    return line, http_fields.read(raw, hidden)
