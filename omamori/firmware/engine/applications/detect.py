"""Which protocol a flow speaks, told from its first bytes in either direction, never from the port."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from omamori.firmware.engine.applications import dns, quic
from omamori.firmware.engine.applications.dns import Dns
from omamori.firmware.engine.applications.ftp import Ftp
from omamori.firmware.engine.applications.http import Http
from omamori.firmware.engine.applications.http2 import Http2
from omamori.firmware.engine.applications.http2_frames import PREFACE
from omamori.firmware.engine.applications.http_fields import FieldMemory
from omamori.firmware.engine.applications.imap import Imap
from omamori.firmware.engine.applications.layer import Layer
from omamori.firmware.engine.applications.named import Named
from omamori.firmware.engine.applications.pop3 import Pop3
from omamori.firmware.engine.applications.quic import Quic
from omamori.firmware.engine.applications.smtp import Smtp
from omamori.firmware.engine.applications.ssh import Ssh
from omamori.firmware.engine.applications.tls import Tls
from omamori.firmware.engine.settings import Settings

ENOUGH = 64
"""Bytes of one direction after which every protocol here would have been known."""
_LEAD = rb"[\r\n\t \0]*+"
"""What servers skip before a request (RFC 9112, 2.2), or do not mind."""
_METHOD = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}+"
_REQUEST = re.compile(
    _LEAD
    + rb"(?:"
    + _METHOD
    + rb"[ \t\v\f][^\r\n]{1,8000}?[ \t\v\f][Hh][Tt][Tt][Pp]/\d"
    + rb"|(?:GET|POST|HEAD|PUT|OPTIONS|CONNECT|PROPFIND)[ \t\v\f][^ \r\n]"
    + rb"|(?:DELETE|PATCH|TRACE|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|REPORT)[ \t\v\f]/)"
)
_MAYBE_REQUEST = re.compile(_LEAD + rb"(?:" + _METHOD + rb"(?:[ \t\v\f][^\r\n]*+)?)?\Z")
_RESPONSE = re.compile(rb"HTTP/\d(?:\.\d)? \d\d\d")
_MAYBE_RESPONSE = re.compile(rb"H(?:T(?:T(?:P(?:/[\d. ]*)?)?)?)?\Z")
_TLS = re.compile(
    rb"\x16\x03[\x00-\x04](?:..[\x00-\x02]|\x00\x00[\x15\x16]\x03)|\x15\x03[\x00-\x04]\x00[\x01\x02][\x01\x02]",
    re.DOTALL,
)
"""A hello, or what may stand before one: an empty record, a request for a hello, an alert."""
_MAYBE_TLS = re.compile(rb"[\x15\x16](?:\x03(?:[\x00-\x04].{0,2})?)?\Z", re.DOTALL)
_SSH = re.compile(rb"SSH-[12]\.")
_LABELS = (
    ("smb", re.compile(rb".{4}[\xff\xfe]SMB", re.DOTALL)),
    ("rdp", re.compile(rb"\x03\x00..[\x02-\x7f]\xe0", re.DOTALL)),
    ("mqtt", re.compile(rb"\x10.{1,2}\x00\x04MQTT", re.DOTALL)),
)
_PARSED: tuple[tuple[re.Pattern[bytes], Callable[[Settings], Layer]], ...] = (
    (re.compile(rb"(?:EHLO|HELO) |220[ -][^\r\n]*SMTP", re.IGNORECASE), Smtp),
    (
        re.compile(rb"220[ -][^\r\n]*FTP|USER [^ \r\n]+\r?\n|AUTH (?:TLS|SSL)\r?\n|FEAT\r?\n", re.IGNORECASE),
        Ftp,
    ),
    (re.compile(rb"\+OK[ \r]"), Pop3),
    (re.compile(rb"\* (?:OK|PREAUTH) ", re.IGNORECASE), Imap),
)
"""Protocols whose first line tells them, and their parsers."""


@dataclass(frozen=True, slots=True)
class Known:
    """The protocol's name, and its parser; none where the bytes fit nothing."""

    name: str
    layer: Layer | None


FAILED = Known("failed", None)


def of_stream(
    data: bytes, settings: Settings, *, to_server: bool, fields: FieldMemory | None = None
) -> Known | None:
    """From the first bytes of a TCP direction; None while they are too few to tell."""
    if _TLS.match(data):
        return Known("tls", Tls())
    if to_server and data.startswith(PREFACE[:16]):
        return Known("http2", Http2(settings))
    if (_REQUEST if to_server else _RESPONSE).match(data):
        return Known("http", Http(settings, fields))
    for pattern, layer in _PARSED:
        if pattern.match(data):
            made = layer(settings)
            return Known(made.name, made)
    if _SSH.match(data):
        return Known("ssh", Ssh())
    for name, pattern in _LABELS:
        if pattern.match(data):
            return Known(name, Named(name))
    framed = dns.is_framed(data)
    if framed:
        return Known("dns", Dns(framed=True))
    return None if framed is None or _can_become_known(data, to_server=to_server) else FAILED


def of_datagram(data: bytes) -> Layer | None:
    """The parser that a UDP payload may be for; fed with it, it is `lost` if it was not."""
    if quic.is_plausible(data):
        return Quic()
    return Dns(framed=False) if dns.is_plausible(data) else None


def _can_become_known(data: bytes, *, to_server: bool) -> bool:
    if _MAYBE_TLS.match(data):
        return True
    if to_server and len(data) < 8192 and _MAYBE_REQUEST.match(data):
        return True
    if not to_server and _MAYBE_RESPONSE.match(data):
        return True
    return len(data) < 19 or (len(data) < ENOUGH and data[0] < 2)
