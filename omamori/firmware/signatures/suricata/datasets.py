"""Lists that `dataset` in rules asks for: read beside the rule file, kept as hashes. A unit never adds to them.

Entries as Suricata writes them: `string` in base64, `md5` and `sha256` in hexadecimal, one a line.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from omamori.firmware.engine.hashed import HashTable, build
from omamori.firmware.engine.ips.datasets import InDataset
from omamori.firmware.engine.ips.rule import Base64Decode, Rule
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError

MEMBER = "datasets.json"
SIZES = {"string": 0, "md5": 16, "sha256": 32}
"""Bytes of an entry of each type; 0 for any number."""
_MOST = 64 << 20
Datasets = MutableMapping[str, HashTable]


def gather(rule: Rule, folder: Path | None, into: Datasets) -> None:
    """Reads the lists that it names and nobody read before. Raises RuleSyntaxError."""
    for step in _asked(rule):
        if step.name in into:
            continue
        if not step.file:
            raise RuleSyntaxError(f"dataset: no rule before it loads {step.name}")
        into[step.name] = read(_found(step.file, folder), step.kind)


def read(path: Path, kind: str) -> HashTable:
    """Raises RuleSyntaxError with the line of what is no entry."""
    try:
        if path.stat().st_size > _MOST:
            raise RuleSyntaxError(f"dataset: {path.name} is too large")
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as error:
        raise RuleSyntaxError(f"dataset: {path.name} cannot be read: {error}") from error
    return build((value.decode("latin-1"), "") for value in _entries(lines, kind, path.name))


def dump(found: Mapping[str, HashTable]) -> dict[str, bytes]:
    """Members of a pack: a table each, and which is whose."""
    named = {name: f"datasets/{number}.bin" for number, name in enumerate(sorted(found))}
    members = {member: bytes(found[name].raw) for name, member in named.items()}
    return {MEMBER: json.dumps(named).encode(), **members} if named else {}


def load(stored: "Mapping[str, bytes | memoryview]") -> dict[str, HashTable]:
    """Raises KeyError, ValueError, SignatureError for what `dump` did not make."""
    named = json.loads(bytes(stored.get(MEMBER, b"{}")))
    return {str(name): HashTable(stored[str(member)], ("",)) for name, member in named.items()}


def _entries(lines: list[str], kind: str, file: str) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        text = line.partition(",")[0].strip()
        if not text:
            continue
        try:
            value = bytes.fromhex(text) if SIZES[kind] else b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            raise RuleSyntaxError(f"dataset: {file}, line {number}: no {kind}") from None
        if SIZES[kind] and len(value) != SIZES[kind]:
            raise RuleSyntaxError(f"dataset: {file}, line {number}: no {kind}")
        yield value


def _asked(rule: Rule) -> Iterator[InDataset]:
    for section in rule.sections:
        for step in section.steps:
            nested = step.steps if isinstance(step, Base64Decode) else (step,)
            yield from (each for each in nested if isinstance(each, InDataset))


def _found(file: str, folder: Path | None) -> Path:
    """Never outside of the rule file's folder: rules come from others."""
    if folder is None:
        raise RuleSyntaxError(f"dataset: {file} cannot be read: the rule is from no file")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise RuleSyntaxError(f"dataset: {file} is outside of the rules' folder")
    return path
