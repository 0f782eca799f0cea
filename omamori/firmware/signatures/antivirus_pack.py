"""The antivirus section of a pack: signatures in source form, hash tables as they lie in memory, and the compiled patterns."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import overload

import hyperscan

from omamori.firmware.engine import antivirus
from omamori.firmware.engine.antivirus import Antivirus, Body
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.malware.hashes import LENGTHS, HashSet, HashTable
from omamori.firmware.engine.malware.kinds import Kind
from omamori.firmware.engine.malware.patterns import Pattern
from omamori.firmware.engine.malware.places import TARGETS
from omamori.firmware.signatures.antivirus_lists import Combined, KnownFile, Malware, Signature

BODIES, LOGICAL, DATABASE = "antivirus.json", "antivirus/logical.json", "antivirus/patterns.hs"


def dump(signatures: Sequence[Signature]) -> dict[str, bytes]:
    """The section's files. Raises SignatureError for a pattern that the matcher does not take, naming it."""
    bodies = [each for each in signatures if isinstance(each, Malware)]
    lines = [each.line for each in signatures if isinstance(each, Combined)]
    known = HashSet([each.compiled() for each in signatures if isinstance(each, KnownFile)])
    compiled = [each.compiled() for each in bodies]
    combined = [Combined("", line).compiled() for line in lines]
    try:
        whole = Antivirus(compiled, logical=combined)
    except SignatureError as error:
        raise _named([*compiled, *(part for each in combined for part in each.parts)]) or error from error
    members = {
        BODIES: json.dumps([_row(each) for each in bodies]).encode(),
        LOGICAL: json.dumps(lines).encode(),
        DATABASE: whole.dumped(),
    }
    return members | {_hashes(table.length): bytes(table.raw) for table in known.tables}


def load(members: Mapping[str, bytes | memoryview], *, same_matcher: bool) -> Antivirus:
    """Hash tables stay where they are. Raises SignatureError, KeyError, ValueError, TypeError."""
    bodies = [Malware(*row) for row in json.loads(bytes(members[BODIES]))]
    combined = [Combined("", line).compiled() for line in json.loads(bytes(members.get(LOGICAL, b"[]")))]
    tables = [HashTable(length, members[_hashes(length)]) for length in LENGTHS if _hashes(length) in members]
    database: hyperscan.Database | None = None
    if same_matcher and members.get(DATABASE):
        database = antivirus.loaded(bytes(members[DATABASE]))
    kinds = chain((TARGETS.get(each.target) for each in bodies), (each.kind for each in combined))
    return Antivirus(
        LazyBodies(bodies), HashSet.of(tables), combined, database=database, for_mails=Kind.MAIL in kinds
    )


class LazyBodies(Sequence[Body]):
    """Read from their source when they match: most never do."""

    def __init__(self, sources: Sequence[Malware]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, number: int) -> Body: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Body]: ...
    def __getitem__(self, number: int | slice) -> Body | Sequence[Body]:
        if isinstance(number, slice):
            return [each.compiled() for each in self._sources[number]]
        return _compiled(self._sources[number])


@lru_cache(maxsize=1000)
def _compiled(source: Malware) -> Body:
    return source.compiled()


def _row(each: Malware) -> list[str | int]:
    short = each.target == 0 and each.offset == "*"
    return [each.name, each.body] if short else [each.name, each.body, each.target, each.offset]


def _hashes(length: int) -> str:
    return f"antivirus/hashes-{length}.bin"


def _named(bodies: Sequence[Body]) -> SignatureError | None:
    """Which pattern the matcher does not take: found by halves."""
    patterns = [body.pattern for body in bodies]
    while len(patterns) > 1:
        half = patterns[: len(patterns) // 2]
        patterns = patterns[len(patterns) // 2 :] if _compiles(half) else half
    if not patterns or _compiles(patterns):
        return None
    return SignatureError(f"{patterns[0].name}: the matcher does not take this pattern")


def _compiles(patterns: Sequence[Pattern]) -> bool:
    try:
        antivirus.compiled(patterns, [True] * len(patterns))
    except SignatureError:
        return False
    return True
