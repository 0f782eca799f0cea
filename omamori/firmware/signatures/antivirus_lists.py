"""Malware signatures as published for ClamAV, told apart line by line: hashes of files, body patterns, logical signatures.

| file | line |
| --- | --- |
| `.hdb`, `.hsb` | `digest:size or *:name` |
| `.ndb` | `name:type:offset:hex` |
| `.ldb` | `name;Target:1,...;expression;pattern 0;pattern 1...` |
| `.db` | `name=hex` |

What a line asks that cannot be done in flight is refused with its reason, never ignored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from omamori.firmware.engine.antivirus import Body, FileHash, Logical, hexadecimal
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.malware import logical, places
from omamori.firmware.engine.malware.patterns import wide

MAX_LINE = 256 * 1024
_HASH = re.compile(r"([0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32}):(\d{1,12}|\*):([^:]+)(?::\d*)*\Z")
_PART = re.compile(r"(?:(?P<offset>[^:/]+):)?(?P<hex>[^:/]+)(?:::(?P<flags>[iwfa]+))?\Z")
_RANGE = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?\Z")
_IGNORED: Final = frozenset(("Engine", "FLevel", "MinEngine", "MaxEngine"))
_MAX_PARTS = 64


@dataclass(frozen=True, slots=True)
class Malware:
    """A body pattern in source form."""

    name: str
    body: str
    """Hexadecimal, ClamAV style."""
    target: int = 0
    """ClamAV's file type."""
    offset: str = "*"

    def compiled(self) -> Body:
        """Raises SignatureError."""
        return _body(self.name, self.body, self.target, self.offset)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A whole file by its hash."""

    name: str
    digest: str
    size: int | None

    def compiled(self) -> FileHash:
        return FileHash(self.name, bytes.fromhex(self.digest), self.size)


@dataclass(frozen=True, slots=True)
class Combined:
    """A logical signature: its line."""

    name: str
    line: str

    def compiled(self) -> Logical:
        """Raises SignatureError."""
        return _logical(self.line)


Signature: TypeAlias = Malware | KnownFile | Combined


@dataclass(slots=True)
class MalwareList:
    signatures: list[Signature] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    """(line, reason)"""


def eicar() -> Malware:
    """The industry's harmless test file; put together here so that no file of ours holds it whole."""
    text = b"X5O!P%@AP[4\\PZX54(P^)" + b"7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE" + b"!$H+H*"
    return Malware("Eicar-Test-Signature", text.hex())


def parse_malware(text: str) -> MalwareList:
    """Never raises for content."""
    found = MalwareList()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            signature = _signature(stripped)
            signature.compiled()
        except SignatureError as error:
            found.refused.append((number, str(error)))
        else:
            found.signatures.append(signature)
    return found


def _signature(line: str) -> Signature:
    if len(line) > MAX_LINE:
        raise SignatureError(f"a line of {len(line)} characters")
    if ";" in line:
        return Combined(line.partition(";")[0], line)
    if known := _HASH.match(line):
        return KnownFile(known[3], known[1].lower(), None if known[2] == "*" else int(known[2]))
    if ":" in line:
        name, target, offset, body, *_ = [*line.split(":"), "", "", ""]
        signature = Malware(name, body, places.target(target, name[:60]), offset)
    else:
        name, _, body = line.partition("=")
        signature = Malware(name.strip(), body.strip())
    if not signature.name or not signature.body:
        raise SignatureError("not a signature: name:type:offset:hex, digest:size:name, or a logical one")
    return signature


def _body(
    name: str,
    body: str,
    target: int,
    offset: str,
    *,
    identifier: str = "",
    flags: str = "",
    short: bool = False,
) -> Body:
    if "f" in flags:
        raise SignatureError(f"{name}: whole words (f) are not supported")
    caseless = "i" in flags or target in places.NORMALISED
    pattern = hexadecimal(identifier or name, name, body, caseless=caseless, short=short)
    if "w" in flags:
        pattern = wide(pattern, also_narrow="a" in flags)
    pattern, place = places.placed(pattern, offset)
    return Body(pattern, place, places.TARGETS[target])


def _logical(line: str) -> Logical:
    name, description, text, *parts = [*line.split(";"), "", ""]
    parts = [part for part in parts if part]
    if not name or not text or not 0 < len(parts) <= _MAX_PARTS:
        raise SignatureError(f"{name[:60]}: not a logical signature: name;types;expression;patterns")
    asked = _asked(name, description)
    target = places.target(asked.get("Target", "0"), name)
    expression = logical.parse(text)
    if max(expression.numbers()) >= len(parts):
        raise SignatureError(f"{name}: the expression asks for pattern {max(expression.numbers())}")
    bodies = tuple(_part(name, part, target) for part in parts)
    return Logical(
        name,
        name,
        expression,
        bodies,
        places.TARGETS[target],
        _range(name, asked, "FileSize"),
        _range(name, asked, "NumberOfSections"),
    )


def _asked(name: str, description: str) -> dict[str, str]:
    """What the second field says, by name."""
    asked: dict[str, str] = {}
    for text in filter(None, description.split(",")):
        key, _, value = text.partition(":")
        if key not in ("Target", "FileSize", "NumberOfSections") and key not in _IGNORED:
            raise SignatureError(f"{name}: {key[:40]} is not supported")
        asked[key] = value
    return asked


def _range(name: str, asked: dict[str, str], key: str) -> tuple[int, int] | None:
    if key not in asked:
        return None
    found = _RANGE.match(asked[key])
    if found is None:
        raise SignatureError(f"{name}: {key} {asked[key][:40]!r}")
    return int(found[1]), int(found[2] or found[1])


def _part(name: str, text: str, target: int) -> Body:
    found = _PART.match(text)
    if found is None:
        kind = "expressions (PCRE)" if "/" in text else "this kind of pattern"
        raise SignatureError(f"{name}: {kind} is not supported: {text[:40]!r}")
    if found["hex"].startswith("${") or "(>>" in text or "(<<" in text or "#" in text:
        raise SignatureError(f"{name}: {text[:40]!r} is not supported")
    flags = found["flags"] or ""
    return _body(name, found["hex"], target, found["offset"] or "*", flags=flags, short=True)


def plain(signatures: Sequence[Signature]) -> list[Malware]:
    """Those that match their own bytes in any file."""
    return [
        each
        for each in signatures
        if isinstance(each, Malware) and places.TARGETS[each.target] is None and each.offset in ("*", "")
    ]
