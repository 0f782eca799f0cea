"""The audit file: every state that was ever signed, one JSON line each, chained by hash; and its check by a third party.

A line names the files of one state with their SHA-256 and the hash of the line before, so nothing can be taken out or
changed later without the last line's hash, which anybody may write down, becoming another. The evidence is in the
files: who signed is read from their signatures, under the root that the reader trusts, and believed from nobody. The
check needs the published directory only; no key, no network. It reports what it finds and never stops at the first.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata
from tuf.api.serialization import DeserializationError

from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.signing.draft import MetadataFile, Signed
from omamori.signing.errors import RepositoryError
from omamori.signing.policy import DELEGATED, EVERY

NAME = "audit.jsonl"
LINE_CAP = 64 * 1024
FILE_CAP = 64 * 1024 * 1024
"""Bytes; years of a state an hour."""
METADATA_CAP = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One signed state. `files` is name -> SHA-256, the timestamp's version says in which order states count."""

    number: int
    time: datetime
    previous: str
    timestamp: int
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signed file of a state that came into force."""

    number: int
    time: datetime
    file: str
    signed_by: tuple[str, ...]
    """Key ids whose signatures hold."""
    names: tuple[str, ...] = ()
    """Target files it names that the version before did not name so, each with its SHA-256."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a third party learns; trustworthy where `problems` is empty."""

    root: str
    """SHA-256 of the root that was trusted."""
    head: str
    """SHA-256 of the last line: the same for everybody who looks at the same history."""
    states: int
    abandoned: tuple[int, ...]
    """Numbers of states that were signed and never came into force."""
    signatures: tuple[Signature, ...]
    problems: tuple[str, ...]


def append(path: Path, files: Iterable[MetadataFile], now: datetime) -> None:
    """Add a state, on disk when this returns. What a power cut left of a line goes first. Raises OSError, RepositoryError."""
    whole = path.read_bytes() if path.exists() else b""
    lines = whole.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        os.truncate(path, len(whole) - len(lines.pop()))
    files = list(files)
    entry = Entry(
        number=len(lines) + 1,
        time=now,
        previous=_digest(lines[-1]) if lines else "",
        timestamp=int(json.loads(files[-1].content)["signed"]["version"]),
        files={file.name: _digest(file.content) for file in files},
    )
    with path.open("ab") as out:
        out.write(wire.dump(_fields(entry), cap=LINE_CAP) + b"\n")
        out.flush()
        os.fsync(out.fileno())


def newest(path: Path) -> dict[str, str]:
    """The files of the last whole line; none where there is no such line."""
    lines = [line for line in _bytes(path, FILE_CAP).splitlines(keepends=True)[-2:] if line.endswith(b"\n")]
    try:
        return wire.from_wire(Entry, wire.load(lines[-1], cap=LINE_CAP)).files if lines else {}
    except ProtocolError:
        return {}


def check(published: Path, root: bytes, now: datetime, *, after: str = "") -> Findings:
    """Follow the whole history of a published directory; `after` is the SHA-256 of a line that must be in it.

    Raises RepositoryError where there is no history, or `root` is none.
    """
    lines = _lines(published / NAME)
    reader = _Reader(published / "metadata")
    entries = list(_chained(lines, reader.problems))
    force, abandoned = _sorted_out(entries)
    for entry in force:
        reader.read(entry)
    reader.believe(root)
    reader.compare(force, now)
    if after and after not in map(_digest, lines):
        reader.problems.append("the line that was kept is not in this history: it was cut off or rewritten")
    return Findings(
        root=_digest(root),
        head=_digest(lines[-1]),
        states=len(entries),
        abandoned=tuple(entry.number for entry in abandoned),
        signatures=tuple(reader.found),
        problems=tuple(reader.problems),
    )


def _sorted_out(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Those that came into force, and those that a later one with the same timestamp or an older one replaced."""
    force: list[Entry] = []
    abandoned: list[Entry] = []
    for entry in reversed(entries):
        (abandoned if force and force[-1].timestamp <= entry.timestamp else force).append(entry)
    return force[::-1], abandoned[::-1]


@dataclass
class _Reader:
    """Verifies state after state; `roles` is the newest of each that held."""

    metadata: Path
    roles: dict[str, Signed] = field(default_factory=dict)
    found: list[Signature] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def read(self, entry: Entry) -> None:
        """Delegators first: what they name is verified by what this state makes of them."""
        for role in EVERY:
            for name, digest in entry.files.items():
                if name.endswith(f".{role}.json"):
                    self._file(entry, name, digest)

    def believe(self, root: bytes) -> None:
        """The trusted root must be one of this history: the ones before it are proven by what signed it, the later ones by it."""
        trusted = _parse(root)
        if trusted is None or trusted.signed.type != "root" or not _signers(trusted, trusted, "root"):
            raise RepositoryError("the root to trust is no root, or not signed by its own keys")
        name = f"{trusted.signed.version}.root.json"
        if name not in {found.file for found in self.found} or _content(self.metadata / name) != _digest(
            root
        ):
            self.problems.append(
                f"the root to trust is not the {name} of this history: nothing here is proven"
            )

    def compare(self, force: list[Entry], now: datetime) -> None:
        """What lies there and was never recorded, and a last state that is not the one served, or an old one."""
        known = {name for entry in force for name in entry.files}
        there = {path.name for path in self.metadata.glob("[0-9]*.json")}
        self.problems += [f"{name}: served, and in no line of the audit" for name in sorted(there - known)]
        if not force or _content(self.metadata / "timestamp.json") != force[-1].files.get("timestamp.json"):
            self.problems.append("timestamp.json: not that of the last line")
        served = _parse(_bytes(self.metadata / "timestamp.json"))
        if served is None or self._verified("timestamp", served) is None:
            self.problems.append("timestamp.json: not signed by enough of the keys it needs")
        elif served.signed.expires <= now:
            expired = f"expired on {served.signed.expires:%Y-%m-%d %H:%M} UTC"
            self.problems.append(f"timestamp.json: {expired}: an old copy, or nobody publishes")

    def _file(self, entry: Entry, name: str, digest: str) -> None:
        path = self.metadata / Path(name).name
        role = name.partition(".")[2].removesuffix(".json")
        metadata = _parse(_bytes(path)) if _content(path) == digest else None
        if metadata is None:
            self.problems.append(f"line {entry.number}: {name} is missing or not what was signed")
            return
        if (signers := self._verified(role, metadata)) is None:
            self.problems.append(f"line {entry.number}: {name} is not signed by enough of the keys it needs")
            return
        names = tuple(_new_names(self.roles.get(role), metadata))
        self.found.append(Signature(entry.number, entry.time, name, signers, names))
        self.roles[role] = metadata

    def _verified(self, role: str, metadata: Signed) -> tuple[str, ...] | None:
        """Key ids; None where they are too few. A root follows the one before, signed by its keys, too."""
        if metadata.signed.type != ("targets" if role in DELEGATED else role):
            return None
        if role != "root":
            delegator = self.roles.get("targets" if role in DELEGATED else "root")
            return _signers(delegator, metadata, role) if delegator else None
        before = self.roles.get("root")
        version = before.signed.version + 1 if before else 1
        if metadata.signed.version != version:
            return None
        if before and not _signers(before, metadata, role):
            return None
        return _signers(metadata, metadata, role)


def _signers(delegator: Signed, metadata: Signed, role: str) -> tuple[str, ...] | None:
    """Key ids, or None where they are too few."""
    try:
        result = delegator.signed.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    except (ValueError, AttributeError):  # no such role there, or no delegator at all
        return None
    return tuple(sorted(result.signed)) if result.verified else None


def _new_names(before: Signed | None, metadata: Signed) -> Iterator[str]:
    old = getattr(before.signed, "targets", {}) if before else {}
    for path, target in sorted(getattr(metadata.signed, "targets", {}).items()):
        if path not in old or old[path].hashes != target.hashes:
            yield f"{path} sha256 {target.hashes.get('sha256', '?')}"


def _lines(path: Path) -> list[bytes]:
    raw = _bytes(path, FILE_CAP)
    if not raw:
        raise RepositoryError(f"{path} is missing, empty or too large: give a published directory")
    return raw.splitlines(keepends=True)


def _chained(lines: list[bytes], problems: list[str]) -> Iterator[Entry]:
    previous = ""
    for number, line in enumerate(lines, 1):
        try:
            entry = wire.from_wire(Entry, wire.load(line, cap=LINE_CAP))
        except ProtocolError as error:
            problems.append(f"line {number}: {error}")
        else:
            if (entry.number, entry.previous) != (number, previous):
                problems.append(f"line {number}: does not follow the line before")
            yield entry
        previous = _digest(line)


def _parse(raw: bytes) -> Signed | None:
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(raw)
    except (DeserializationError, TufError, RecursionError):
        return None
    return metadata


def _bytes(path: Path, cap: int = METADATA_CAP) -> bytes:
    """Empty where it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            raw = file.read(cap + 1)
    except OSError:
        return b""
    return raw if len(raw) <= cap else b""


def _content(path: Path) -> str:
    return _digest(_bytes(path))


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _fields(entry: Entry) -> dict[str, object]:
    value = wire.to_wire(entry)
    assert isinstance(value, dict)  # noqa: S101 - a dataclass becomes an object
    return value
