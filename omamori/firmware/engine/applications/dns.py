"""DNS messages (RFC 1035): the questions asked, and enough of the answers to tell of them; over UDP and TCP.

Compression pointers may only point backwards and a name is at most 255 bytes, so no message can make the parser loop.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

from omamori.firmware.engine.applications.layer import NO_EVENTS, Context, Event, How, Message, SiteAsked
from omamori.firmware.engine.reassembly import Piece

_HEADER = Struct("!HHHHHH")
_FIXED = Struct("!HH")
_RECORD = Struct("!HHIH")
_RESERVED = 0x40
"""A flag that must be zero, and that servers do not look at."""
_MALFORMED = frozenset(("dns.malformed_data",))
_MAX_QUESTIONS = 16
_NO_QUESTION = re.compile(rb"\0\x0c..[\0-\x07][\0\x10\x20\x30]\0{8}", re.DOTALL)
"""A query without one: its length, then nothing but a number and flags."""
_EMPTY = re.compile(rb"(?:\0\0){0,16}+")
"""Messages of no length."""
_ENOUGH = 2 + 12 + 255 + 4
"""Bytes of a TCP direction in which the first question is over."""
_MAX_ANSWERS = 64
_TYPES = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    65: "HTTPS",
    255: "ANY",
}
_CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


class NotDns(Exception):  # noqa: N818 - it says what the bytes are
    """These bytes are no DNS message."""


@dataclass(frozen=True, slots=True)
class Question:
    name: bytes
    """Dotted, without the trailing dot, as sent."""
    type: int


@dataclass(frozen=True, slots=True)
class Answer:
    name: bytes
    type: int
    data: bytes
    """The domain for NS, CNAME and PTR, the packed address for A and AAAA; other types as they are."""


@dataclass(frozen=True, slots=True)
class DnsMessage:
    id: int
    flags: int
    questions: tuple[Question, ...]
    answers: tuple[Answer, ...]

    @property
    def is_response(self) -> bool:
        return bool(self.flags & 0x8000)


def is_plausible(data: bytes) -> bool:
    """The header may be that of a query or a response to one."""
    if len(data) < 17:
        return False
    _, flags, questions, _, _, _ = _HEADER.unpack_from(data)
    return bool(flags >> 11 & 15 <= 6 and 0 < questions <= _MAX_QUESTIONS)


def is_framed(data: bytes) -> bool | None:
    """The first bytes of a TCP direction begin with a message and its length; None while they are too few to tell."""
    at = _EMPTY.match(data).end()  # type: ignore[union-attr]  # it matches anything
    if _NO_QUESTION.match(data, at):
        return True
    message = data[at + 2 : at + _ENOUGH]
    if len(message) < 17:
        return None
    if int.from_bytes(data[at : at + 2], "big") < 17 or not is_plausible(message):
        return False
    try:
        _name(message, 12)
    except NotDns:
        return None if len(message) < _ENOUGH - 2 else False
    return True


def parse(data: bytes) -> DnsMessage:
    """Answers that are cut off are left out. Raises NotDns."""
    if len(data) < 12:
        raise NotDns("too short")
    identifier, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
    opcode = flags >> 11 & 15
    if opcode > 6 or questions > _MAX_QUESTIONS or (questions == 0 and not flags & 0x8000):
        raise NotDns("implausible header")
    at = 12
    asked = []
    for _ in range(questions):
        name, at = _name(data, at)
        if at + 4 > len(data):
            raise NotDns("a question is cut off")
        asked.append(Question(name, _FIXED.unpack_from(data, at)[0]))
        at += 4
    found = _answers(data, at, min(answers, _MAX_ANSWERS)) if flags & 0x8000 else ()
    return DnsMessage(identifier, flags, tuple(asked), tuple(found))


def _answers(data: bytes, at: int, count: int) -> list[Answer]:
    found: list[Answer] = []
    try:
        for _ in range(count):
            name, at = _name(data, at)
            if at + 10 > len(data):
                break
            kind, _, _, length = _RECORD.unpack_from(data, at)
            at += 10
            body = _name(data, at)[0] if kind in (2, 5, 12) else data[at : at + length]
            found.append(Answer(name, kind, body))
            at += length
    except NotDns:
        pass
    return found


def _name(data: bytes, at: int) -> tuple[bytes, int]:
    """The name at `at`, and where what follows begins. Raises NotDns."""
    labels: list[bytes] = []
    size, after, lowest = 0, -1, at
    while True:
        if at >= len(data):
            raise NotDns("a name is cut off")
        length = data[at]
        if length >= 0xC0:
            if at + 1 >= len(data):
                raise NotDns("a pointer is cut off")
            after = at + 2 if after < 0 else after
            at = (length & 0x3F) << 8 | data[at + 1]
            if at >= lowest:
                raise NotDns("a pointer does not point back")
            lowest = at
            continue
        if length > 63:
            raise NotDns("a label is too long")
        if length == 0:
            return b".".join(labels), at + 1 if after < 0 else after
        size += length + 1
        if size > 255 or at + 1 + length > len(data):
            raise NotDns("a name is too long")
        labels.append(data[at + 1 : at + 1 + length])
        at += length + 1


class Dns:
    """The parser of one DNS conversation; over UDP each piece is one message."""

    name = "dns"
    finished = False

    def __init__(self, *, framed: bool) -> None:
        self._framed = framed
        """Over TCP: two bytes of length before each message."""
        self._rest = [b"", b""]
        self._count = 0
        self._newest: DnsMessage | None = None
        self.lost = False

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        if not self._framed:
            return self._message(piece.data, needs, to_server=to_server)
        if piece.missing:
            self.lost = True
        data, events = self._rest[to_server] + piece.data, []
        while len(data) >= 2 and not self.lost:
            end = 2 + int.from_bytes(data[:2], "big")
            if len(data) < end:
                break
            events += self._message(data[2:end], needs, to_server=to_server)
            data = data[end:]
        self._rest[to_server] = b"" if self.lost else data
        return events

    def end(self, needs: frozenset[str]) -> Sequence[Event]:  # noqa: ARG002 - the interface's
        return ()

    def context(self, transaction: int | None) -> Context:  # noqa: ARG002 - the interface's
        message = self._newest
        if message is None:
            return Context()
        subject = _text(message.questions[0].name) if message.questions else ""
        return Context(dns=_record(message), subject=subject)

    def _message(self, data: bytes, needs: frozenset[str], *, to_server: bool) -> list[Event]:
        try:
            message = parse(data)
        except NotDns:
            # Over TCP it is known where the next one begins.
            self.lost = not self._framed and self._newest is None
            return [] if self._newest is None else [Message(self._count, to_server, {}, events=_MALFORMED)]
        self._newest = message
        self._count += 1
        events: list[Event] = []
        if not message.is_response:
            events += [SiteAsked(question.name, How.DNS) for question in message.questions]
        buffers = {name: values for name, values in _buffers(message).items() if name in needs and values}
        odd = frozenset(("dns.z_flag_set",)) if message.flags & _RESERVED else NO_EVENTS
        events.append(Message(self._count, to_server, buffers, events=odd))
        return events


def _buffers(message: DnsMessage) -> dict[str, list[bytes]]:
    """Numbers are written in decimal."""
    names = [question.name for question in message.questions]
    response = message.is_response
    return {
        "dns.query": [] if response else names,
        "dns.query.name": names,
        "dns.answer.name": [answer.name for answer in message.answers],
        "dns.opcode": [b"%d" % (message.flags >> 11 & 15)],
        "dns.rcode": [b"%d" % (message.flags & 15)] if response else [],
        "dns.rrtype": [b"%d" % question.type for question in message.questions],
    }


def _record(message: DnsMessage) -> dict[str, object]:
    questions: list[dict[str, object]] = [
        {
            "type": "query",
            "id": message.id,
            "rrname": _text(question.name),
            "rrtype": _TYPES.get(question.type, f"TYPE{question.type}"),
        }
        for question in message.questions
    ]
    if not message.is_response:
        return {"query": questions}
    record: dict[str, object] = {"type": "answer", "id": message.id}
    if questions:
        record |= {"rrname": questions[0]["rrname"], "rrtype": questions[0]["rrtype"]}
    record["rcode"] = _CODES.get(message.flags & 15, str(message.flags & 15))
    return {"answer": record}


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
