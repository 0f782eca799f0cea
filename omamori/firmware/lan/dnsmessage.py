"""DNS messages as mDNS and LLMNR use them (RFC 1035 4, 6762, 4795). Pure; pointers only lead backwards, and everything is counted."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from omamori.firmware.lan.errors import BadFrame
from omamori.firmware.lan.internet import Address

A, PTR, TXT, AAAA, SRV = 1, 12, 16, 28, 33
_MOST_QUESTIONS: Final = 32
_MOST_RECORDS: Final = 128
_MOST_LABELS: Final = 64
_HEAD = struct.Struct("!6H")


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record; what its type does not have is empty."""

    name: str
    type: int
    address: Address | None = None
    target: str = ""
    """Of PTR and SRV."""
    texts: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """Names have no dot at their end; labels keep their case."""

    answers: bool
    questions: tuple[str, ...]
    records: tuple[Record, ...]


def parse(data: bytes) -> Message:
    """Raises BadFrame; what is cut off behind the first records is left out."""
    if len(data) < _HEAD.size:
        raise BadFrame(f"DNS of {len(data)} bytes")
    _, flags, asked, *counts = _HEAD.unpack_from(data)
    offset, questions, records = _HEAD.size, list[str](), list[Record]()
    try:
        for _ in range(min(asked, _MOST_QUESTIONS)):
            name, offset = _name(data, offset)
            questions.append(name)
            offset += 4
        for _ in range(min(sum(counts), _MOST_RECORDS)):
            record, offset = _record(data, offset)
            records.append(record)
    except struct.error:
        pass
    return Message(bool(flags & 0x8000), tuple(questions), tuple(records))


def _record(data: bytes, offset: int) -> tuple[Record, int]:
    name, offset = _name(data, offset)
    kind, _, _, length = struct.unpack_from("!HHIH", data, offset)
    start, end = offset + 10, offset + 10 + length
    body = data[start:end]
    if len(body) < length:
        raise BadFrame("a DNS record overruns the message")
    match kind:
        case 1 if length == 4:
            return Record(name, kind, address=IPv4Address(body)), end
        case 28 if length == 16:
            return Record(name, kind, address=IPv6Address(body)), end
        case 12:
            return Record(name, kind, target=_name(data, start)[0]), end
        case 33 if length > 6:
            return Record(name, kind, target=_name(data, start + 6)[0]), end
        case 16:
            return Record(name, kind, texts=_texts(body)), end
        case _:
            return Record(name, kind), end


def _texts(body: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    offset = 0
    while offset < len(body) and len(found) < _MOST_RECORDS:
        found.append(body[offset + 1 : offset + 1 + body[offset]])
        offset += 1 + body[offset]
    return tuple(found)


def _name(data: bytes, offset: int) -> tuple[str, int]:
    """The name at an offset, and where the next thing begins. Raises BadFrame, struct.error."""
    labels: list[str] = []
    end = 0
    while len(labels) <= _MOST_LABELS:
        (length,) = struct.unpack_from("!B", data, offset)
        if length == 0:
            return ".".join(labels), end or offset + 1
        if length >= 0xC0:
            (pointer,) = struct.unpack_from("!H", data, offset)
            if pointer & 0x3FFF >= offset:
                raise BadFrame("a DNS name points forwards")
            end, offset = end or offset + 2, pointer & 0x3FFF
            continue
        if length > 63 or offset + 1 + length > len(data):
            raise BadFrame("a DNS label overruns the message")
        labels.append(data[offset + 1 : offset + 1 + length].decode("utf-8", "replace"))
        offset += 1 + length
    raise BadFrame("a DNS name without end")
