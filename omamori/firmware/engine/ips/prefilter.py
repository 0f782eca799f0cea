"""The matcher side of literals: one Hyperscan database for each group, one scratch for each database, block mode."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import hyperscan

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.ips.literals import TABLES, Group, Literals

_LAYOUT = 2
"""Of the groups that have a database: `arranged`."""
MATCHER = f"hyperscan {hyperscan.__version__}, layout {_LAYOUT}"  # type: ignore[attr-defined]  # its stub forgets it
"""Serialized databases fit this only; whoever is given others compiles anew."""


_SHORT = 256
"""Bytes of a value whose candidates are worth remembering: method, host, user agent and their like come again and again."""
_REMEMBERED = 512
"""Values of one group; then it starts anew."""
_TRIED = 64
"""So many new values in a row show that those of this group do not come again."""
_Table: TypeAlias = Sequence[tuple[int, Mapping[bytes, Sequence[int]]]]


class Prefilter:
    """One group: data in, numbers of candidate rules out."""

    __slots__ = (
        "_beginning",
        "_ending",
        "_exact",
        "_group",
        "_known",
        "_longest_exact",
        "_longest_key",
        "_longest_suffix",
        "_rules",
        "_scan",
        "_suffix",
        "_wasted",
    )

    def __init__(self, group: Group, database: "hyperscan.Database | None") -> None:
        self._group = group
        self._scan = database.scan if database is not None else None
        self._rules = [tuple(rules) for rules in group.literals.values()]
        self._exact, self._suffix = group.exact, group.suffix
        self._beginning, self._ending = _by_size(group.beginning), _by_size(group.ending)
        self._longest_exact = max(map(len, group.exact), default=-1)
        self._longest_suffix = max(map(len, group.suffix), default=0)
        self._longest_key = max((size for size, _ in (*self._beginning, *self._ending)), default=0)
        self._known: dict[bytes, frozenset[int]] = {}
        self._wasted = 0
        """Values in a row that were not known."""

    def candidates(self, data: bytes, into: set[int]) -> None:
        """Adds to `into`."""
        if self._wasted > _TRIED or len(data) > _SHORT:
            self.search(data, into)
            return
        known = self._known.get(data)
        if known is None:
            known = self._remember(data)
        else:
            self._wasted = 0
        if known:
            into.update(known)

    def _remember(self, data: bytes) -> frozenset[int]:
        found: set[int] = set()
        self.search(data, found)
        self._wasted += 1
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        known = self._known[data] = frozenset(found)
        return known

    def search(self, data: bytes, into: set[int]) -> None:
        """The same for data that will hardly come again."""
        if self._scan is not None and data:
            found: list[int] = []
            self._scan(data, _matched, 0, found)  # by name it takes three times as long
            for literal in found:
                into.update(self._rules[literal])
        if len(data) <= self._longest_exact and (known := self._exact.get(data.lower())):
            into.update(known)
        if self._beginning:
            first = data[: self._longest_key].lower()
            for size, table in self._beginning:
                if rules := table.get(first[:size]):
                    into.update(rules)
        if self._ending:
            last = data[-self._longest_key :].lower()
            for size, table in self._ending:
                if rules := table.get(last[-size:]):
                    into.update(rules)
        if self._longest_suffix:
            self._suffixes(data[-self._longest_suffix :].lower(), into)

    def finds_its_own(self) -> bool:
        """First, middle and last of each kind are found, and nothing is found in nothing."""
        tables = [getattr(self._group, name) for name in TABLES]
        known = (
            [*self._group.literals.items()],
            *([((key, True), rules) for key, rules in t.items()] for t in tables),
        )
        found: set[int] = set()
        for entries in known:
            for (literal, _), rules in entries[:1] + entries[len(entries) // 2 :][:1] + entries[-1:]:
                found.clear()
                self.search(literal, found)
                if not found.issuperset(rules):
                    return False
        found.clear()
        self.search(b"", found)
        return not found

    def _suffixes(self, lower: bytes, into: set[int]) -> None:
        at = lower.find(b".")
        while at >= 0:
            if rules := self._suffix.get(lower[at:]):
                into.update(rules)
            at = lower.find(b".", at + 1)


def _by_size(table: Mapping[bytes, Sequence[int]]) -> _Table:
    """The table apart by the sizes of its keys."""
    parts: dict[int, dict[bytes, Sequence[int]]] = {}
    for key, rules in table.items():
        parts.setdefault(len(key), {})[key] = rules
    return sorted(parts.items())


def _matched(literal: int, _begin: int, _end: int, _flags: int, found: object) -> None:
    assert isinstance(found, list)  # noqa: S101 - what `candidates` passes as context
    found.append(literal)


def compile_group(group: Group) -> "hyperscan.Database | None":
    """None where a group has only names to look up. Raises SignatureError."""
    if not group.literals:
        return None
    once = hyperscan.HS_FLAG_SINGLEMATCH
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(
            expressions=[b"".join(b"\\x%02x" % byte for byte in literal) for literal, _ in group.literals],
            ids=list(range(len(group.literals))),
            elements=len(group.literals),
            flags=[once | (hyperscan.HS_FLAG_CASELESS if caseless else 0) for _, caseless in group.literals],
        )
    except hyperscan.error as error:
        raise SignatureError(f"the rules' literals do not compile: {error}") from error
    return database


def arranged(literals: Literals) -> dict[str, Group]:
    """The groups as they are searched: what packets and streams of TCP are searched for in the same bytes is one, `tcp/to_server`."""
    groups = dict(literals.groups)
    for way in ("to_client", "to_server"):
        apart = {key: groups[key] for key in (f"stream/{way}", f"packet/tcp/{way}") if key in groups}
        both: dict[tuple[bytes, bool], list[int]] = {}
        for key, group in apart.items():
            groups[key] = replace(group, literals={})
            for literal, rules in group.literals.items():
                both.setdefault(literal, []).extend(rules)
        if both:
            groups[f"tcp/{way}"] = Group(literals=both)
    return groups


def compile_all(literals: Literals) -> dict[str, "hyperscan.Database"]:
    """Raises SignatureError."""
    compiled = {key: compile_group(group) for key, group in arranged(literals).items()}
    return {key: database for key, database in compiled.items() if database is not None}


def dump(database: "hyperscan.Database") -> bytes:
    return bytes(hyperscan.dumpb(database))


def load(raw: bytes) -> "hyperscan.Database":
    """Raises SignatureError for bytes of another matcher version or none at all."""
    try:
        database = hyperscan.loadb(raw, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.error as error:
        raise SignatureError(f"a compiled database cannot be loaded: {error}") from error
    return database


def prefilters(literals: Literals, databases: Mapping[str, "hyperscan.Database"]) -> dict[str, Prefilter]:
    return {key: Prefilter(group, databases.get(key)) for key, group in arranged(literals).items()}
