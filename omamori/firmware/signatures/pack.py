"""The signature pack: everything a unit looks for, in one file, with sources and compiled databases.

`build` runs on the release side, `load` on the unit. Databases are used where the matcher's version and the processor's kind are
those that wrote them; otherwise they are compiled again from the same literals. A pack proves itself at each load (`selftest.py`).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import hyperscan

from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.ips import literals as choosing
from omamori.firmware.engine.ips import prefilter
from omamori.firmware.engine.ips.literals import Literals
from omamori.firmware.engine.ips.order import ordered
from omamori.firmware.engine.ips.reputation import Entry, Reputation
from omamori.firmware.engine.ips.ruleset import RuleSet, needed
from omamori.firmware.engine.ips.spans import Variables
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import antivirus_pack, carried, container, selftest, sites
from omamori.firmware.signatures.antivirus_lists import Signature, plain
from omamori.firmware.signatures.carried import Capture
from omamori.firmware.signatures.container import Altered, Data, PackError, WrongFormat, read_manifest
from omamori.firmware.signatures.credentials import build_passwords, own
from omamori.firmware.signatures.index import LazyRules, dump_index, load_index
from omamori.firmware.signatures.lists import DomainList
from omamori.firmware.signatures.suricata import datasets
from omamori.firmware.signatures.suricata.errors import RuleError
from omamori.firmware.signatures.suricata.files import Parsed
from omamori.firmware.signatures.texts import Lines, dump_lines
from omamori.protocol.errors import VersionError
from omamori.protocol.version import Version

__all__ = ["Content", "PackError", "build", "load", "read_manifest"]
RULES, INDEX = "rules.bin", "index.json"
_FIRST: Final = "x86_64"
"""The kind that packs do not name: there was no other when the first ones were made."""
OLD_RULES = "rules.txt"
"""In packs of before November 2026: undivided."""
REPUTATION = "reputation.json"
"""A pack without it knows nothing of addresses."""
PASSWORDS = "passwords.bin"
"""Since 0.1: a pack without it knows only empty passwords and users' own names."""


@dataclass(slots=True)
class Content:
    """What goes into a pack."""

    rules: Parsed = field(default_factory=Parsed)
    lists: list[DomainList] = field(default_factory=list)
    malware: list[Signature] = field(default_factory=list)
    reputation: dict[str, list[Entry]] = field(default_factory=dict)
    """Scores of addresses by category, for `iprep` in rules."""
    credentials: list[tuple[str, str]] = field(default_factory=list)
    """(user, password) beside our own list; no user means everyone."""
    captures: list[Capture] = field(default_factory=list)
    """What the pack must find and must leave alone, tried by each unit before it uses the pack."""


def matcher(machine: str | None = None) -> str:
    """Who can read the databases that it writes: one version of the matcher, on one kind of processor (decision 0035)."""
    machine = machine or os.uname().machine
    return prefilter.MATCHER if machine == _FIRST else f"{prefilter.MATCHER} {machine}"


def build(path: Path, version: Version, created: datetime, content: Content) -> None:
    """Writes the pack; the same input gives the same bytes. Raises SignatureError, OSError, PackError.

    The finished file is loaded once, so that what is published has passed its own test.
    """
    members, databases = _rule_members(content.rules)
    listed = sites.compile_lists(content.lists)
    members |= sites.dump(listed)
    passwords = build_passwords([*own(), *content.credentials])
    members[PASSWORDS] = bytes(passwords.raw)
    if content.reputation:
        members[REPUTATION] = json.dumps(content.reputation).encode()
    members |= datasets.dump(content.rules.datasets)
    members |= antivirus_pack.dump(content.malware)
    members[selftest.MEMBER] = selftest.dump(selftest.samples(content.lists, plain(content.malware)))
    members |= carried.dump(content.captures)
    manifest = {
        "version": str(version),
        "created": created.isoformat(timespec="seconds"),
        "matcher": matcher(),
        "databases": databases,
        "counts": {
            "rules": len(content.rules.rules),
            **sites.counts(listed),
            "passwords": len(passwords),
            "antivirus": len(content.malware),
            "captures": len(content.captures),
        },
    }
    container.write(path, manifest, members)
    load(path)


def load(path: Path, variables: Variables | None = None, *, replayed: bool = True) -> Signatures:
    """Verifies everything and runs the self-test. Raises PackError, OSError.

    The captures it carries are left out with `replayed=False`: for a pack that proved itself here before.
    """
    manifest, stored = container.read(path)
    try:
        signatures = _signatures(manifest, stored, variables)
        selftest.run(signatures, selftest.load(bytes(stored[selftest.MEMBER])))
        if replayed:
            carried.run(signatures, carried.load(stored))
    except KeyError as error:
        raise WrongFormat(f"{path.name}: {error.args[0]} is missing") from error
    except _UNREADABLE as error:
        raise Altered(f"{path.name}: {error}") from error
    return signatures


_UNREADABLE: Final = (
    hyperscan.error,
    SignatureError,
    RuleError,
    VersionError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
"""What comes of members whose hashes hold and which no builder of ours wrote, or not together."""


def _signatures(
    manifest: Mapping[str, object], stored: Mapping[str, Data], variables: Variables | None
) -> Signatures:
    members = {name: data for name, data in stored.items() if isinstance(data, bytes)}
    version = Version.parse(str(manifest.get("version")))
    listed = sites.load(stored)
    known = replace(variables or Variables(), datasets=datasets.load(stored))
    return Signatures(
        rules=_load_rules(manifest, members, rule_lines(stored), known),
        domains=listed.domains,
        passwords=HashTable(stored[PASSWORDS], ("",)) if PASSWORDS in stored else None,
        urls=listed.urls,
        addresses=listed.addresses,
        antivirus=antivirus_pack.load(stored, same_matcher=manifest.get("matcher") == matcher()),
        version=str(version),
    )


# --- rules


def _rule_members(parsed: Parsed) -> tuple[dict[str, bytes], dict[str, str]]:
    order = ordered(parsed.rules)
    rules = [parsed.rules[number] for number in order]
    texts = [parsed.texts[number].strip() for number in order]
    literals = choosing.choose(rules)
    members = {
        RULES: dump_lines([text.encode("latin-1") for text in texts]),
        INDEX: dump_index(literals, needed(rules)),
    }
    named = {}
    for number, (key, database) in enumerate(sorted(prefilter.compile_all(literals).items())):
        named[key] = f"databases/{number}.hs"
        members[named[key]] = prefilter.dump(database)
    return members, named


def rule_lines(members: Mapping[str, Data]) -> Lines:
    """The text of each rule. Raises KeyError, Altered."""
    if RULES in members:
        return Lines(members[RULES])
    text = bytes(members[OLD_RULES])
    return Lines(dump_lines(text.split(b"\n") if text else []))


def _load_rules(
    manifest: Mapping[str, object], members: Mapping[str, bytes], lines: Lines, variables: Variables
) -> RuleSet:
    rules = LazyRules(lines)
    literals, needs = load_index(members[INDEX], len(rules))
    databases = _databases(manifest, members, literals)
    known = {
        str(name): map(_entry, entries)
        for name, entries in json.loads(members.get(REPUTATION, b"{}")).items()
    }
    variables = replace(variables, reputation=Reputation(known))
    return RuleSet(rules, literals, databases, variables, needs)


def _entry(fields: list[int]) -> Entry:
    """Raises ValueError."""
    version, network, length, score = (int(field) for field in fields)
    if version not in (4, 6) or not 0 <= length <= (32 if version == 4 else 128):
        raise ValueError("a reputation entry is no network")
    return version, network, length, score


def _databases(
    manifest: Mapping[str, object], members: Mapping[str, bytes], literals: Literals
) -> Mapping[str, "hyperscan.Database"]:
    named = manifest.get("databases")
    if manifest.get("matcher") != matcher() or not isinstance(named, dict):
        return prefilter.compile_all(literals)
    return {str(key): prefilter.load(members[str(member)]) for key, member in named.items()}
