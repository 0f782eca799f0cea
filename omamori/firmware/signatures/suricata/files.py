"""Rule files: every rule that loads, and every one that does not with line, column and reason. Never raises for content."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.ips.rule import Rule
from omamori.firmware.engine.ips.spans import Variables
from omamori.firmware.signatures.suricata.datasets import gather
from omamori.firmware.signatures.suricata.errors import RuleError, RuleSyntaxError, Unsupported
from omamori.firmware.signatures.suricata.header import variables_in
from omamori.firmware.signatures.suricata.lexer import RuleText, logical_lines
from omamori.firmware.signatures.suricata.parser import parse_rule

STANDARD = frozenset(Variables().groups)
"""The variables that every unit knows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that was not taken."""

    file: str
    line: int
    column: int
    reason: str
    keyword: str = ""
    """Of an unsupported option; empty where the text is wrong."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.reason}"


@dataclass(slots=True)
class Parsed:
    """What came of some files; `texts` is the source of each rule, in the same order."""

    rules: list[Rule] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    disabled: int = 0
    """Rules that are commented out; they count as nothing else."""
    datasets: dict[str, HashTable] = field(default_factory=dict)
    """The lists that the rules ask for, by name."""


def parse_rules(
    content: bytes,
    *,
    file: str = "<rules>",
    with_disabled: bool = False,
    into: Parsed | None = None,
    folder: Path | None = None,
    variables: Collection[str] = STANDARD,
) -> Parsed:
    """`with_disabled` also reads rules that are commented out. Lists that rules name lie in `folder`.

    A rule that names another than one of `variables` is refused: it would keep all others from being loaded.
    """
    parsed = Parsed() if into is None else into
    for found in logical_lines(content.decode("latin-1")):
        if found.disabled and not with_disabled:
            parsed.disabled += 1
        else:
            _take(parsed, found, file, folder, variables)
    return parsed


def _take(
    parsed: Parsed, found: RuleText, file: str, folder: Path | None, variables: Collection[str]
) -> None:
    try:
        rule = parse_rule(found.text)
        _check(rule, found.text, variables)
        gather(rule, folder, parsed.datasets)
    except RuleError as error:
        keyword = error.what if isinstance(error, Unsupported) else ""
        parsed.refused.append(Refusal(file, found.line, error.column, error.reason, keyword))
    else:
        parsed.rules.append(rule)
        parsed.texts.append(found.text)


def _check(rule: Rule, text: str, variables: Collection[str]) -> None:
    """Raises RuleSyntaxError for a variable that nobody knows."""
    for name in variables_in(rule.header):
        if name not in variables:
            place = re.search(rf"\${name}\b", text)
            raise RuleSyntaxError(f"no variable ${name[:40]}", place.start() + 1 if place else 1)
