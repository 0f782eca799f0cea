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
    """(value, index behind it); None where the data does not reach or holds no number."""
    at = number(how.offset) + (position if how.relative else 0)
    count = number(how.count)
    if at < 0 or count < 0 or at + count > len(data) or (at >= len(data) and count):
        return None
    value = (
        _text(data[at : at + count], how.base)
        if how.base and count
        else _binary(data[at : at + count], little=how.little)
    )
    if value is None:
        return None
    if how.bitmask:
        value = (value & how.bitmask) >> ((how.bitmask & -how.bitmask).bit_length() - 1)
    return value, at + count


def _binary(data: bytes, *, little: bool) -> int:
    return int.from_bytes(data, "little" if little else "big")


def _text(data: bytes, base: int) -> int | None:
    found = _DIGITS[base].match(data)
    if not found:
        return None
    value = int(found[1], base)
    return value if -_TOP <= value <= _TOP else None
