"""Numbers in bytes, and how rules compare them."""

import re
from collections.abc import Callable

from omamori.firmware.engine.ips.rule import Bytes, Comparison, Number, Operator

_DIGITS = {
    10: re.compile(rb"\s*([+-]?[0-9]+)"),
    16: re.compile(rb"\s*(?:0[xX])?([0-9a-fA-F]+)"),
    8: re.compile(rb"\s*([0-7]+)"),
}
_TOP = (1 << 64) - 1
_MOST_DIGITS = 23
"""Of a number in text, in any base: what 64 bits take in octal, and a sign."""


def compare(test: Comparison, value: int) -> bool:
    match test.operator:
        case Operator.EQUAL:
            return value == test.low
        case Operator.NOT_EQUAL:
            return value != test.low
        case Operator.LESS:
            return value < test.low
        case Operator.LESS_EQUAL:
            return value <= test.low
        case Operator.GREATER:
            return value > test.low
        case Operator.GREATER_EQUAL:
            return value >= test.low
        case Operator.RANGE:
            return test.low < value < test.high
        case Operator.SPAN:
            return test.low <= value <= test.high
        case Operator.NOT_RANGE:
            return not test.low < value < test.high


def read(how: Bytes, data: bytes, position: int, number: Callable[[Number], int]) -> tuple[int, int] | None:
    """(value, index behind it); None where the data does not reach or holds no number.

    Text ends where its digits do, and a count of 0 means all of them, as in Suricata's `ByteExtractString`.
    """
    at = number(how.offset) + (position if how.relative else 0)
    count = number(how.count)
    if at < 0 or count < 0 or at + count > len(data) or (at >= len(data) and count):
        return None
    if how.base:
        found = _DIGITS[how.base].match(data[at : at + (count or _MOST_DIGITS)])
        if not found:
            return None
        value, behind = int(found[1], how.base), at + found.end()
        if not -_TOP <= value <= _TOP:
            return None
        value &= _TOP
    else:
        value, behind = int.from_bytes(data[at : at + count], "little" if how.little else "big"), at + count
    if how.bitmask:
        value = (value & how.bitmask) >> ((how.bitmask & -how.bitmask).bit_length() - 1)
    return value, behind
