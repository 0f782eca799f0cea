"""What is odd about an HTTP/1 head, under Suricata's names (`app-layer-event`). Asked only where a rule looks at events."""

import re

from omamori.firmware.engine.applications import http_uri
from omamori.firmware.engine.applications.http_head import Head, Request, Response
from omamori.firmware.engine.applications.layer import NO_EVENTS

_KNOWN_AUTHORIZATION = re.compile(rb"(?:basic|digest|bearer)(?:\s|$)", re.IGNORECASE)
_KNOWN_TRANSFER = re.compile(rb"(?:(?:chunked|identity|gzip|x-gzip|deflate)(?:\s*,\s*|$))+\Z", re.IGNORECASE)
_LENGTH = re.compile(rb"\d{1,18}\Z")
_HOST = re.compile(rb"(?:[\w.\-~%!$&'()*+,;=]*|\[[0-9a-fA-F:.]*\])(?::\d{0,5})?\Z")
_PROTOCOL = re.compile(rb"HTTP/\d\.\d")
_ENCODED_TWICE = re.compile(rb"%25[0-9a-fA-F]{2}")
_ONLY_SPACE = re.compile(rb"\S+ \S+( HTTP/\d\.\d)?\Z")
_MAX_LAYERS = 2
_MAX_FIELD = 18_000


def of_request(request: Request, text: bytes) -> frozenset[str]:
    """Of a request's head, and the bytes it was read from."""
    found = _of_head(request, text, "request")
    authorization = request.fields.values.get(b"authorization")
    if authorization is not None and not _KNOWN_AUTHORIZATION.match(authorization):
        found.add("request_auth_unrecognized")
    found |= _of_host(request)
    if not _ONLY_SPACE.match(request.line):
        found.add("uri_delim_non_compliant" if request.line.count(b" ") > 2 else "method_delim_non_compliant")
    if text[:1] in (b" ", b"\t"):
        found.add("request_line_leading_whitespace")
    if _ENCODED_TWICE.search(request.target):
        found.add("double_encoded_uri")
    return _named(found)


def of_response(response: Response, text: bytes) -> frozenset[str]:
    """The same of a response's."""
    found = _of_head(response, text, "response")
    if not 100 <= response.status <= 999:
        found.add("response_invalid_status")
    if not _PROTOCOL.fullmatch(response.protocol):
        found.add("response_invalid_protocol")
    encoding = response.fields.values.get(b"content-encoding")
    if encoding and encoding.count(b",") + 1 > _MAX_LAYERS:
        found.add("too_many_encoding_layers")
    return _named(found)


def of_chunks(*, to_server: bool) -> frozenset[str]:
    """Of a body that should come in chunks and does not."""
    way = "request" if to_server else "response"
    return _named({f"invalid_{way}_chunk_len"})


def _of_head(head: Head, text: bytes, way: str) -> set[str]:
    found: set[str] = set()
    values = head.fields.values
    transfer, length = values.get(b"transfer-encoding"), values.get(b"content-length")
    if transfer is not None and not _KNOWN_TRANSFER.match(transfer):
        found.add(f"invalid_transfer_encoding_value_in_{way}")
    if length is not None and not _LENGTH.match(length):
        found.add(f"invalid_content_length_field_in_{way}")
    if len(text) > _MAX_FIELD and any(len(value) > _MAX_FIELD for _, value in head.fields.pairs):
        found.add(f"{way}_field_too_long")
    if head.fields.regular:
        if len(values) < len(head.fields.pairs):
            found.add(f"{way}_header_repetition")
        return found
    lines = text.partition(b"\n")[2].split(b"\n")
    if any(line[:1] in (b" ", b"\t") for line in lines if line.strip()):
        found.add(f"invalid_{way}_field_folding")
    if any(line.strip() and b":" not in line and line[:1] not in (b" ", b"\t") for line in lines):
        found.add(f"{way}_field_missing_colon")
    names = [name.lower() for name, _ in head.fields.pairs]
    if len(set(names)) < len(names):
        found.add(f"{way}_header_repetition")
    return found


def _of_host(request: Request) -> set[str]:
    told, asked = request.fields.values.get(b"host"), http_uri.host_of(request.target)
    if told is None:
        return {"missing_host_header"} if request.protocol == b"HTTP/1.1" and asked is None else set()
    found = set() if _HOST.match(told) else {"header_host_invalid"}
    if asked is not None and asked.lower() != told.partition(b":")[0].lower():
        found.add("host_header_ambiguous")
    return found


def _named(found: set[str]) -> frozenset[str]:
    return frozenset([f"http.{name}" for name in found]) if found else NO_EVENTS
