"""The few fields of an X.509 certificate that rules look at (RFC 5280), by a walk over its DER; nothing is verified."""

from dataclasses import dataclass

_NAMES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01": "emailAddress",
}
_ALTERNATIVES = b"\x55\x1d\x11"
_WIDE = 0x1E
"""BMPString."""
_NOTHING = ((0, b""), (0, b""))
"""In place of what a damaged name leaves out."""
_MAX_ELEMENTS = 64


class _DerError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Certificate:
    serial: str
    """Hex bytes with colons, upper case."""
    issuer: str
    """`C=JP, O=Example, CN=example.jp`."""
    subject: str
    names: tuple[bytes, ...] = ()
    """The DNS names it is for."""


def parse(der: bytes) -> Certificate | None:
    """None where it is not what it should be."""
    try:
        outer = _elements(der)[0][1]
        parts = _elements(_elements(outer)[0][1])
        if parts[0][0] == 0xA0:  # the explicit version
            parts = parts[1:]
        serial = parts[0][1].hex(":").upper()
        return Certificate(serial, _name(parts[2][1]), _name(parts[4][1]), _alternatives(parts[6:]))
    except (_DerError, IndexError):
        return None


def _alternatives(parts: list[tuple[int, bytes]]) -> tuple[bytes, ...]:
    """The DNS names of the subject's alternative names, where they can be read."""
    try:
        extensions = next((content for tag, content in parts if tag == 0xA3), b"")
        for _, extension in _elements(_elements(extensions)[0][1]) if extensions else ():
            fields = _elements(extension)
            if fields[0][1] == _ALTERNATIVES:
                names = _elements(_elements(fields[-1][1])[0][1])
                return tuple(content for tag, content in names if tag == 0x82)
    except (_DerError, IndexError):
        pass
    return ()


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """The (tag, content) pairs of a constructed value."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(data) and len(found) < _MAX_ELEMENTS:
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise _DerError
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _name(data: bytes) -> str:
    parts = []
    for _, relative in _elements(data):
        for _, pair in _elements(relative):
            (_, kind), (tag, value), *_ = [*_elements(pair), *_NOTHING]
            text = value.decode("utf-16-be" if tag == _WIDE else "utf-8", "backslashreplace")
            parts.append(f"{_NAMES.get(kind, kind.hex())}={text}")
    return ", ".join(parts)
