"""All malware signatures of a pack, compiled: byte patterns as one Hyperscan streaming database, hashes of whole files, logical ones.

A pattern split over any number of packets is found. Patterns that hold for one kind of file or at one place of it are looked at
again for each match; plain ones are reported once by the matcher itself.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import hyperscan

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.malware import file
from omamori.firmware.engine.malware.budget import Confidence, Limits, Pool
from omamori.firmware.engine.malware.file import File, FileScan, Found
from omamori.firmware.engine.malware.hashes import FileHash, HashSet
from omamori.firmware.engine.malware.kinds import Kind
from omamori.firmware.engine.malware.known import Entry, Hits, Stream
from omamori.firmware.engine.malware.logical import Expression
from omamori.firmware.engine.malware.patterns import Pattern, hexadecimal, literal
from omamori.firmware.engine.malware.places import Place

__all__ = [
    "NO_ANTIVIRUS",
    "Antivirus",
    "Body",
    "Confidence",
    "FileHash",
    "FileScan",
    "Found",
    "Limits",
    "Logical",
    "Pattern",
    "Pool",
    "hexadecimal",
    "literal",
]


@dataclass(frozen=True, slots=True)
class Body:
    """A pattern with where it must begin and in what kind of file."""

    pattern: Pattern
    place: Place | None = None
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Logical:
    """Patterns joined by an expression."""

    id: str
    name: str
    expression: Expression
    parts: tuple[Body, ...]
    kind: Kind | None = None
    sizes: tuple[int, int] | None = None
    """Least and most bytes of the file."""
    sections: tuple[int, int] | None = None
    """Least and most sections of a program."""

    @property
    def early(self) -> bool:
        """It can be told before the end of the file."""
        return self.expression.monotone and self.sizes is None

    def fits(self, file: File) -> bool:
        """Whether it is meant for this file, as far as that is known."""
        if self.kind is not None and not file.counts_as(self.kind):
            return False
        if self.sizes is not None and not (
            file.size is not None and self.sizes[0] <= file.size <= self.sizes[1]
        ):
            return False
        if self.sections is None:
            return True
        return file.image is not None and self.sections[0] <= len(file.image.sections) <= self.sections[1]

    def holds(self, counts: Mapping[int, int]) -> bool:
        """Whether so many matches of its parts make one of it."""
        return self.expression.holds(counts)


class Antivirus:
    """A compiled set. `database` is one that was compiled before from the same signatures."""

    def __init__(
        self,
        bodies: Sequence[Pattern | Body] = (),
        hashes: Sequence[FileHash] | HashSet = (),
        logical: Sequence[Logical] = (),
        *,
        database: "hyperscan.Database | None" = None,
        for_mails: bool | None = None,
    ) -> None:
        """`for_mails`: some of it is meant for mails as they travel; looked up if it is not said. Raises SignatureError for a pattern that the matcher does not take."""
        self.entries = Entries(bodies, logical)
        if for_mails is None:
            for_mails = any(entry.kind is Kind.MAIL for entry in self.entries)
        self.for_mails = for_mails
        self.logical = tuple(logical)
        self.late = tuple(number for number, each in enumerate(self.logical) if not each.early)
        """Logical signatures that are told at the end of a file only."""
        self.hashes = hashes if isinstance(hashes, HashSet) else HashSet(hashes)
        self._looks = bool(self.entries) or len(self.hashes) > 0
        self._database = database
        if database is None and self.entries:
            entries = list(self.entries)
            self._database = compiled([each.pattern for each in entries], [each.once for each in entries])

    def __bool__(self) -> bool:
        return self._looks

    def scan(
        self,
        limits: Limits | None = None,
        pool: Pool | None = None,
        *,
        name: str = "",
        size: int | None = None,
    ) -> FileScan:
        """Begin with a new file; `size` is that of the whole file, where it is known."""
        limits = limits or Limits()
        return FileScan(self, limits, pool or Pool(limits.held), name=name, size=size)

    def stream(self, hits: Hits) -> tuple[Stream | None, Callable[[], None]]:
        """The matcher's state for one file, and how to end it. Matches are added to `hits`."""
        if self._database is None:
            return None, _nothing
        # The stream borrows both objects: the handler must be one that stays, the matches live as long as the file.
        stream = self._database.stream(_matched, 0, hits)
        stream.__enter__()
        return stream, lambda: stream.__exit__(None, None, None)

    def dumped(self) -> bytes:
        """The database, to be loaded by the same version of the matcher; empty if there is none."""
        return bytes(hyperscan.dumpb(self._database)) if self._database is not None else b""


def loaded(raw: bytes) -> "hyperscan.Database":
    """What `dumped` gave. Raises SignatureError for bytes of another matcher version or none at all."""
    try:
        database = hyperscan.loadb(raw, hyperscan.HS_MODE_STREAM)
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.error as error:
        raise SignatureError(f"a compiled database cannot be loaded: {error}") from error
    return database


def compiled(patterns: Sequence[Pattern], once: Sequence[bool]) -> "hyperscan.Database":
    """Raises SignatureError."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_STREAM)
    flags = [
        hyperscan.HS_FLAG_DOTALL
        | (hyperscan.HS_FLAG_SINGLEMATCH if single else 0)
        | (hyperscan.HS_FLAG_CASELESS if pattern.caseless else 0)
        for pattern, single in zip(patterns, once, strict=True)
    ]
    try:
        database.compile(
            expressions=[pattern.expression for pattern in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=flags,
        )
    except hyperscan.error as error:
        raise SignatureError(f"the antivirus patterns do not compile: {error}") from error
    return database


class Entries(Sequence[Entry]):
    """What each expression of the database means; a body is made when it is asked for, for it may be one of very many."""

    def __init__(self, bodies: Sequence[Pattern | Body], logical: Sequence[Logical]) -> None:
        self._bodies = bodies
        self._parts = list(_parts(logical))

    def __len__(self) -> int:
        return len(self._bodies) + len(self._parts)

    @overload
    def __getitem__(self, number: int) -> Entry: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Entry]: ...
    def __getitem__(self, number: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if number >= len(self._bodies):
            return self._parts[number - len(self._bodies)]
        each = self._bodies[number]
        body = each if isinstance(each, Body) else Body(each)
        return Entry(body.pattern, body.place, body.kind, once=body.place is None)


def _parts(logical: Sequence[Logical]) -> Iterator[Entry]:
    for number, signature in enumerate(logical):
        counted = _counted(signature.expression)
        for part, body in enumerate(signature.parts):
            kind = body.kind or signature.kind
            yield Entry(body.pattern, body.place, kind, number, part, body.place is None and not counted)


def _counted(expression: Expression) -> bool:
    return bool(expression.comparison) or any(_counted(part) for part in expression.parts)


def _matched(number: int, _begin: int, end: int, _flags: int, hits: object) -> bool:
    assert isinstance(hits, dict)  # noqa: S101 - what `stream` passed
    ends = hits.get(number)
    if ends is None:
        ends = hits[number] = deque(maxlen=file.MAX_HITS)
    ends.append(end)
    return False


def _nothing() -> None:
    """Nothing is to be ended."""


NO_ANTIVIRUS = Antivirus()
