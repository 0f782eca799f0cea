"""The answer to a DNS question that is not let through: no such name, with id, question and EDNS as the asker sent them."""

from struct import Struct, pack

_HEADER = Struct("!HHHHHH")
_MAX_QUESTIONS = 16
_MAX_RECORDS = 64
_RESPONSE, _OPCODE, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x7800, 0x0100, 0x0080
_NO_SUCH_NAME = 3
_OPT, _EXTENDED_ERROR, _BLOCKED = 41, 15, 15
_ROOM = 1232
"""The UDP size we state: what fits every path (DNS flag day 2020)."""
_DNSSEC_OK = 0x8000


def refused(message: bytes) -> bytes | None:
    """NXDOMAIN to a question, or in place of an answer. None for bytes that are no DNS message."""
    try:
        return _refused(message)
    except (IndexError, ValueError):
        return None


def _refused(message: bytes) -> bytes:
    if len(message) < _HEADER.size:
        raise ValueError("too short")
    identifier, flags, questions, *others = _HEADER.unpack_from(message)
    if not 0 < questions <= _MAX_QUESTIONS or sum(others) > _MAX_RECORDS:
        raise ValueError("implausible counts")
    end = _HEADER.size
    for _ in range(questions):
        end = _after_name(message, end) + 4
    if end > len(message):
        raise ValueError("a question is cut off")
    extended = _extended(message, end, sum(others))
    kept = flags & (_OPCODE | _RECURSION_DESIRED) | _RESPONSE | _RECURSION_AVAILABLE | _NO_SUCH_NAME
    head = _HEADER.pack(identifier, kept, questions, 0, 0, bool(extended))
    return head + message[_HEADER.size : end] + extended


def _extended(message: bytes, at: int, records: int) -> bytes:
    """Our OPT record if the message has one (RFC 6891, 6.1.1), with the extended error "Blocked"."""
    for _ in range(records):
        at = _after_name(message, at)
        if at + 10 > len(message):
            return b""
        kind, length = (
            int.from_bytes(message[at : at + 2], "big"),
            int.from_bytes(message[at + 8 : at + 10], "big"),
        )
        if kind == _OPT:
            dnssec = int.from_bytes(message[at + 6 : at + 8], "big") & _DNSSEC_OK
            return b"\0" + pack("!HHHHHHHH", _OPT, _ROOM, 0, dnssec, 6, _EXTENDED_ERROR, 2, _BLOCKED)
        at += 10 + length
    return b""


def _after_name(message: bytes, at: int) -> int:
    """Raises IndexError, ValueError."""
    begin = at
    while True:
        length = message[at]
        if length >= 0xC0:
            return at + 2
        if length > 63 or at - begin > 255:
            raise ValueError("no name")
        at += 1 + length
        if length == 0:
            return at
