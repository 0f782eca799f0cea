"""The compiled side of a rule set as JSON: which rule is a candidate by which literal. Rules themselves stay text."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from omamori.firmware.engine.ips.literals import TABLES, Group, Literals
from omamori.firmware.engine.ips.rule import Rule
from omamori.firmware.signatures.container import Altered
from omamori.firmware.signatures.suricata.parser import parse_rule


def dump_index(literals: Literals, needs: frozenset[str]) -> bytes:
    groups = {
        key: {
            "literals": [
                [pattern.hex(), int(caseless), rules] for (pattern, caseless), rules in group.literals.items()
            ],
            **{
                name: {pattern.hex(): rules for pattern, rules in getattr(group, name).items()}
                for name in TABLES
            },
        }
        for key, group in sorted(literals.groups.items())
    }
    index = {
        "groups": groups,
        "unfiltered": literals.unfiltered,
        "late": literals.late,
        "needs": sorted(needs),
    }
    return json.dumps(index, separators=(",", ":")).encode()


def load_index(raw: bytes, rules: int) -> tuple[Literals, frozenset[str]]:
    """Raises Altered for what `dump_index` did not write, or a rule number beyond `rules`."""
    try:
        index = json.loads(raw, object_hook=_Making())
        groups = {key: _checked(group) for key, group in index["groups"].items()}
        literals = Literals(groups, list(index["unfiltered"]), list(index["late"]))
        needs = frozenset(index["needs"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Altered(f"the index of rules cannot be read: {error}") from error
    numbers = [number for group in groups.values() for number in _numbers(group)] + literals.unfiltered
    if not all(type(number) is int and 0 <= number < rules for number in numbers):
        raise Altered("the index names a rule that is not there")
    return literals, needs


class _Shared:
    """Equal lists of rules, of which there are many, become one."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], list[int]] = {}

    def __call__(self, rules: Iterable[int]) -> list[int]:
        found = tuple(rules)
        return self._known.setdefault(found, list(found))


class _Making:
    """Called with each object of the JSON as soon as it is whole, so that at no time all of it is there in both forms."""

    def __init__(self) -> None:
        self._shared = _Shared()

    def __call__(self, found: dict[str, Any]) -> object:
        if "literals" in found:
            return self._group(found)
        if "groups" in found or any(isinstance(each, Group) for each in found.values()):
            return found
        return {bytes.fromhex(pattern): self._shared(rules) for pattern, rules in found.items()}

    def _group(self, group: dict[str, Any]) -> Group:
        made = Group()
        for pattern, caseless, rules in group["literals"]:
            made.literals[bytes.fromhex(pattern), bool(caseless)] = self._shared(rules)
        for name in TABLES:
            setattr(made, name, dict(group[name]))
        return made


def _checked(group: object) -> Group:
    if not isinstance(group, Group):
        raise TypeError("a group is none")
    return group


def _numbers(group: Group) -> list[int]:
    found = [*group.literals.values(), *(rules for name in TABLES for rules in getattr(group, name).values())]
    return [number for numbers in found for number in numbers]


class LazyRules(Sequence[Rule]):
    """Rules as text, one a line, each parsed when it is asked for. Whoever needs one again keeps it: few ever do."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, number):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN204 - Sequence's overloads
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        return parse_rule(self._lines[number])
