"""Rule text into its parts: seven header words and the options, each with its column.

Quotes do not protect a semicolon in this language, only a backslash does (as in Suricata's own parser); a rule may go on in
the next line after a backslash.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omamori.firmware.signatures.suricata.errors import RuleSyntaxError

MAX_RULE = 64 * 1024
"""Characters; the longest rules in the wild (address lists) have a tenth of it."""
_ACTION = re.compile(r"(?:alert|drop|pass|reject|rejectsrc|rejectdst|rejectboth)\s")
_COMMENTED = re.compile(
    r"#+\s*(?=(?:alert|drop|pass|reject|rejectsrc|rejectdst|rejectboth)\s+[\w-]+\s.*\(.*\))"
)


@dataclass(frozen=True, slots=True)
class RuleText:
    """One logical line of a file."""

    line: int
    text: str
    disabled: bool = False
    """Commented out, but a rule."""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Option:
    """`name:value;`, the value as written (quotes and escapes included), trimmed."""

    name: str
    value: str | None
    column: int
    """Of the name."""
    value_column: int


def logical_lines(text: str) -> Iterator[RuleText]:
    """Rules and whatever else is neither blank nor comment, joined over continued lines."""
    pending, start = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        start = start if pending else number
        pending += line.rstrip("\r")
        if pending.endswith("\\") and len(pending) <= MAX_RULE:
            pending = pending[:-1]
            continue
        if found := _one(start, pending):
            yield found
        pending = ""
    if found := _one(start, pending):
        yield found


def _one(line: int, text: str) -> RuleText | None:
    stripped = text.strip()
    if not stripped:
        return None
    if not stripped.startswith("#"):
        return RuleText(line, text)
    commented = _COMMENTED.match(stripped)
    return RuleText(line, stripped[commented.end() :], disabled=True) if commented else None


def header_words(text: str) -> tuple[list[Word], int]:
    """Words before the options, brackets kept together, and the index just behind the opening parenthesis.

    Raises RuleSyntaxError.
    """
    words: list[Word] = []
    at, depth, start = 0, 0, -1
    for at, character in enumerate(text):
        if character == "(" and depth == 0:
            break
        depth += (character == "[") - (character == "]")
        if depth < 0:
            raise RuleSyntaxError("']' without '['", at + 1)
        blank = character.isspace() and depth == 0
        if not blank and start < 0:
            start = at
        elif blank and start >= 0:
            words.append(Word(text[start:at], start + 1))
            start = -1
    else:
        raise RuleSyntaxError("'[' is never closed" if depth else "no '(' with options", len(text) or 1)
    if start >= 0:
        words.append(Word(text[start:at], start + 1))
    return words, at + 1


def options(text: str, start: int) -> Iterator[Option]:
    """The options from index `start` to the closing parenthesis. Raises RuleSyntaxError."""
    end = text.rstrip()
    if not end.endswith(")"):
        raise RuleSyntaxError("no ')' at the end", len(end) or 1)
    stop = len(end) - 1
    while True:
        while start < stop and text[start].isspace():
            start += 1
        if start >= stop:
            return
        semicolon = _end_of_option(text, start, stop)
        yield _option(text, start, semicolon)
        start = semicolon + 1


def _end_of_option(text: str, start: int, stop: int) -> int:
    at = text.find(";", start, stop)
    while at > 0 and text[at - 1] == "\\":
        at = text.find(";", at + 1, stop)
    if at < 0:
        raise RuleSyntaxError("option without ';' at its end", start + 1)
    return at


def _option(text: str, start: int, end: int) -> Option:
    colon = text.find(":", start, end)
    name = text[start : colon if colon >= 0 else end].strip()
    if not name:
        raise RuleSyntaxError("option without a name", start + 1)
    if colon < 0:
        return Option(name, None, start + 1, start + 1)
    value = text[colon + 1 : end]
    lead = len(value) - len(value.lstrip())
    return Option(name, value.strip(), start + 1, colon + 2 + lead)
