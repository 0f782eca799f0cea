"""The matcher side of literals: one Hyperscan database for each group, one scratch for each database, block mode."""

from collections.abc import Mapping

import hyperscan

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.ips.literals import Group, Literals

MATCHER = f"hyperscan {hyperscan.__version__}"  # type: ignore[attr-defined]  # its stub forgets it
"""Serialized databases fit this version only."""


class Prefilter:
    """One group: data in, numbers of candidate rules out."""

    __slots__ = ("_database", "_exact", "_literals", "_rules", "_suffix")

    def __init__(self, group: Group, database: "hyperscan.Database | None") -> None:
        self._literals = group.literals
        self._database = database
        self._rules = [tuple(rules) for rules in group.literals.values()]
        self._exact = group.exact
        self._suffix = group.suffix

    def candidates(self, data: bytes, lower: bytes, into: set[int]) -> None:
        """Adds to `into`."""
        if self._database is not None and data:
            found: list[int] = []
            self._database.scan(data, match_event_handler=_matched, context=found)
            for literal in found:
                into.update(self._rules[literal])
        if self._exact and (rules := self._exact.get(lower)):
            into.update(rules)
        if self._suffix:
            self._suffixes(lower, into)

    def finds_its_own(self) -> bool:
        """First, middle and last literal are found, and nothing is found in nothing."""
        literals = list(self._literals.items())
        found: set[int] = set()
        for (literal, _), rules in literals[:1] + literals[len(literals) // 2 :][:1] + literals[-1:]:
            found.clear()
            self.candidates(literal, literal.lower(), found)
            if not found.issuperset(rules):
                return False
        found.clear()
        self.candidates(b"", b"", found)
        return not found

    def _suffixes(self, lower: bytes, into: set[int]) -> None:
        at = lower.find(b".")
        while at >= 0:
            if rules := self._suffix.get(lower[at:]):
                into.update(rules)
            at = lower.find(b".", at + 1)


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


def compile_all(literals: Literals) -> dict[str, "hyperscan.Database"]:
    """Raises SignatureError."""
    compiled = {key: compile_group(group) for key, group in literals.groups.items()}
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
    return {key: Prefilter(group, databases.get(key)) for key, group in literals.groups.items()}
