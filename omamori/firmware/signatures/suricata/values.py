"""Small grammars that several options share: quoted text, numbers, comparisons, comma lists."""

import re

from omamori.firmware.engine.ips.rule import Comparison, Number, Operator
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError
from omamori.firmware.signatures.suricata.lexer import Option

_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z")
_COMPARISON = re.compile(r"(<=|>=|!=|<|>|=|!)?\s*([^<>\s!=-]+)\s*(?:(<>|-)\s*([^<>\s!=-]+))?\Z")
_LIMIT = 1 << 64


def required(option: Option) -> str:
    """Raises RuleSyntaxError."""
    if not option.value:
        raise RuleSyntaxError(f"{option.name} needs a value", option.column)
    return option.value


def refuse_value(option: Option) -> None:
    """Raises RuleSyntaxError."""
    if option.value:
        raise RuleSyntaxError(f"{option.name} takes no value", option.value_column)


def quoted(option: Option, *, optional: bool = False) -> tuple[str, bool]:
    """(text between the quotes, negated). Raises RuleSyntaxError."""
    value = required(option)
    negated = value.startswith("!")
    bare = value[1:].lstrip() if negated else value
    if len(bare) >= 2 and bare[0] == '"' and bare[-1] == '"':
        return bare[1:-1], negated
    if optional and not bare.startswith('"'):
        return bare, negated
    raise RuleSyntaxError(f"{option.name} needs text in double quotes", option.value_column)


def integer(text: str, option: Option, *, low: int = -(1 << 31), high: int = _LIMIT) -> int:
    """Decimal, or hexadecimal with 0x. Raises RuleSyntaxError."""
    try:
        value = int(text.strip(), 16 if "0x" in text.lower() else 10)
    except ValueError:
        raise RuleSyntaxError(f"{option.name}: not a number: {text[:40]!r}", option.value_column) from None
    if not low <= value <= high:
        raise RuleSyntaxError(f"{option.name}: {value} is out of range", option.value_column)
    return value


def number(text: str, option: Option) -> Number:
    """A number or a variable's name. Raises RuleSyntaxError."""
    text = text.strip()
    return text if _NAME.match(text) else integer(text, option)


def names(option: Option) -> list[str]:
    """Comma list, trimmed. Raises RuleSyntaxError."""
    return [part.strip() for part in required(option).split(",")]


def comparison(option: Option, text: str | None = None) -> Comparison:
    """`5`, `<5`, `>=5`, `!5`, `3<>9` and `3-9` (both ends excluded, as in Suricata 7). Raises RuleSyntaxError."""
    found = _COMPARISON.match((text if text is not None else required(option)).strip())
    if not found:
        raise RuleSyntaxError(
            f"{option.name}: not a comparison: {(option.value or '')[:40]!r}", option.value_column
        )
    prefix, first, between, second = found.groups()
    low = integer(first, option)
    if between:
        high = integer(second, option)
        if prefix not in (None, "!") or high <= low:
            raise RuleSyntaxError(
                f"{option.name}: not a range: {(option.value or '')[:40]!r}", option.value_column
            )
        return Comparison(Operator.NOT_RANGE if prefix else Operator.RANGE, low, high)
    operator = Operator.NOT_EQUAL if prefix == "!" else Operator(prefix or "=")
    return Comparison(operator, low)


def pattern_bytes(text: str, option: Option) -> bytes:
    r"""The content grammar: text, `|hex|`, and a backslash before `: ; \ "`. Raises RuleSyntaxError."""
    out, at, column = bytearray(), 0, option.value_column
    while at < len(text):
        character = text[at]
        if character == "|":
            end = text.find("|", at + 1)
            if end < 0:
                raise RuleSyntaxError(f"{option.name}: '|' is never closed", column)
            out += _hex(text[at + 1 : end], option)
            at = end + 1
        elif character == "\\":
            if text[at + 1 : at + 2] not in (":", ";", "\\", '"'):
                raise RuleSyntaxError(f'{option.name}: only : ; \\ and " can follow a backslash', column + at)
            out += text[at + 1].encode("latin-1")
            at += 2
        elif character == '"':
            raise RuleSyntaxError(f"{option.name}: a double quote needs a backslash before it", column + at)
        else:
            out += character.encode("latin-1")
            at += 1
    if not out:
        raise RuleSyntaxError(f"{option.name}: empty", column)
    return bytes(out)


def _hex(text: str, option: Option) -> bytes:
    digits = "".join(text.split())
    if len(digits) % 2 or not re.fullmatch(r"[0-9a-fA-F]*", digits):
        raise RuleSyntaxError(f"{option.name}: not hexadecimal bytes: {text[:40]!r}", option.value_column)
    return bytes.fromhex(digits)
