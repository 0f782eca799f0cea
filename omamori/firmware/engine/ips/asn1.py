"""`asn1` of rules: signs of an attack in BER (X.690) at a place in the payload, as Suricata's `asn1` options define them.

Bounded: so many elements, so deep; what cannot be read ends the search.
"""

from dataclasses import dataclass

_MOST, _DEEPEST = 256, 16
_BITS, _REAL = 3, 9
_LONGEST_REAL = 256


@dataclass(frozen=True, slots=True)
class Asn1:
    """Any of what is asked for is enough. `offset` counts from the beginning, or from the last match."""

    bits: bool = False
    """A string of bits that claims more unused ones than it has."""
    real: bool = False
    """A number as text that is far too long."""
    longest: int | None = None
    """An element that is longer."""
    offset: int = 0
    relative: bool = False


def suspicious(step: Asn1, data: bytes, at: int) -> bool:
    """`at` is where the last match ended."""
    begin = step.offset + (at if step.relative else 0)
    left, todo = _MOST, [(max(begin, 0), len(data), 0)] if begin >= 0 else []
    while todo and left:
        position, end, depth = todo.pop()
        element = _element(data, position, end)
        left -= 1
        if element is None:
            continue
        tag, begin, length = element
        if _is_suspicious(step, data, tag, begin, length):
            return True
        todo.append((begin + length, end, depth))
        if tag & 0x20 and depth < _DEEPEST:
            todo.append((begin, min(begin + length, end), depth + 1))
    return False


def _element(data: bytes, at: int, end: int) -> tuple[int, int, int] | None:
    """(its first byte, where its content begins, how long it says that it is)"""
    if at + 2 > end:
        return None
    tag, at = data[at], at + 1
    if tag & 0x1F == 0x1F:
        while at < end and data[at] & 0x80:
            at += 1
        at += 1
    if at >= end:
        return None
    length, at = data[at], at + 1
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= 8 or at + count > end:
            return None
        length, at = int.from_bytes(data[at : at + count], "big"), at + count
    return tag, at, length


def _is_suspicious(step: Asn1, data: bytes, tag: int, begin: int, length: int) -> bool:
    if step.longest is not None and length > step.longest:
        return True
    if tag & 0xE0 or begin >= len(data) or not length:
        return False
    if step.bits and tag == _BITS:
        return data[begin] >> 3 > length - 1
    return step.real and tag == _REAL and not data[begin] & 0xC0 and length > _LONGEST_REAL
