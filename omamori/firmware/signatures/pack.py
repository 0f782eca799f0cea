"""The signature pack: everything a unit looks for, in one file, with sources and compiled databases.

`build` runs on the release side, `load` on the unit. Databases are used where the matcher's version is the one that wrote
them; otherwise they are compiled again from the same literals. A pack proves itself at each load (`selftest.py`).
"""

import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import hyperscan

from omamori.firmware.engine.antivirus import Antivirus
from omamori.firmware.engine.domains import DomainTable, build_table
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.ips import literals as choosing
from omamori.firmware.engine.ips import prefilter
from omamori.firmware.engine.ips.literals import Literals
from omamori.firmware.engine.ips.order import ordered
from omamori.firmware.engine.ips.ruleset import RuleSet, needed
from omamori.firmware.engine.ips.spans import Variables
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures import container, selftest
from omamori.firmware.signatures.antivirus_lists import Malware
from omamori.firmware.signatures.container import Altered, PackError, WrongFormat, read_manifest
from omamori.firmware.signatures.index import LazyRules, dump_index, load_index
from omamori.firmware.signatures.lists import DomainList, guard_of
from omamori.firmware.signatures.suricata.errors import RuleError
from omamori.firmware.signatures.suricata.files import Parsed
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Guard

__all__ = ["Content", "PackError", "build", "load", "read_manifest"]
RULES, INDEX, ANTIVIRUS = "rules.txt", "index.json", "antivirus.json"


@dataclass(slots=True)
class Content:
    """What goes into a pack."""

    rules: Parsed = field(default_factory=Parsed)
    lists: list[DomainList] = field(default_factory=list)
    malware: list[Malware] = field(default_factory=list)


def build(path: Path, version: Version, created: datetime, content: Content) -> None:
    """Writes the pack; the same input gives the same bytes. Raises SignatureError, OSError, PackError.

    The finished file is loaded once, so that what is published has passed its own test.
    """
    members, databases = _rule_members(content.rules)
    tables = _tables(content.lists)
    for guard, table in tables.items():
        members[f"domains/{guard.value}.bin"], members[f"domains/{guard.value}.json"] = _dump_table(table)
    members[ANTIVIRUS] = json.dumps([[each.name, each.body] for each in content.malware]).encode()
    members[selftest.MEMBER] = selftest.dump(selftest.samples(content.lists, content.malware))
    manifest = {
        "version": str(version),
        "created": created.isoformat(timespec="seconds"),
        "matcher": prefilter.MATCHER,
        "databases": databases,
        "counts": {
            "rules": len(content.rules.rules),
            "domains": {guard.value: len(table) for guard, table in tables.items()},
            "antivirus": len(content.malware),
        },
    }
    container.write(path, manifest, members)
    load(path)


def load(path: Path, variables: Variables | None = None) -> Signatures:
    """Verifies everything and runs the self-test. Raises PackError, OSError."""
    manifest, members = container.read(path)
    try:
        version = Version.parse(str(manifest.get("version")))
        signatures = Signatures(
            rules=_load_rules(manifest, members, variables),
            domains=_load_tables(members),
            antivirus=_load_antivirus(members),
            version=str(version),
        )
    except KeyError as error:
        raise WrongFormat(f"{path.name}: {error.args[0]} is missing") from error
    except (SignatureError, RuleError, ValueError, TypeError, RecursionError) as error:
        raise Altered(f"{path.name}: {error}") from error
    selftest.run(signatures, selftest.load(members[selftest.MEMBER]))
    return signatures


# --- rules


def _rule_members(parsed: Parsed) -> tuple[dict[str, bytes], dict[str, str]]:
    order = ordered(parsed.rules)
    rules = [parsed.rules[number] for number in order]
    texts = [parsed.texts[number].strip() for number in order]
    literals = choosing.choose(rules)
    members = {
        RULES: "\n".join(texts).encode("latin-1"),
        INDEX: dump_index(literals, needed(rules)),
    }
    named = {}
    for number, (key, database) in enumerate(sorted(prefilter.compile_all(literals).items())):
        named[key] = f"databases/{number}.hs"
        members[named[key]] = prefilter.dump(database)
    return members, named


def _load_rules(
    manifest: Mapping[str, object], members: Mapping[str, bytes], variables: Variables | None
) -> RuleSet:
    text = members[RULES].decode("latin-1")
    rules = LazyRules(text.split("\n") if text else [])
    literals, needs = load_index(members[INDEX], len(rules))
    databases = _databases(manifest, members, literals)
    return RuleSet(rules, literals, databases, variables, needs)


def _databases(
    manifest: Mapping[str, object], members: Mapping[str, bytes], literals: Literals
) -> Mapping[str, "hyperscan.Database"]:
    named = manifest.get("databases")
    if manifest.get("matcher") != prefilter.MATCHER or not isinstance(named, dict):
        return prefilter.compile_all(literals)
    return {str(key): prefilter.load(members[str(member)]) for key, member in named.items()}


# --- domains


def _tables(lists: Sequence[DomainList]) -> dict[Guard, DomainTable]:
    pairs: dict[Guard, list[tuple[str, str]]] = {}
    for each in lists:
        pairs.setdefault(guard_of(each.category), []).extend(
            (domain, each.category) for domain in each.domains
        )
    return {guard: build_table(entries) for guard, entries in sorted(pairs.items())}


def _dump_table(table: DomainTable) -> tuple[bytes, bytes]:
    """(hashes then numbers, little-endian; categories)"""
    hashes, numbers = table.arrays()
    if sys.byteorder == "big":
        hashes.byteswap()
        numbers.byteswap()
    return hashes.tobytes() + numbers.tobytes(), json.dumps(table.categories).encode()


def _load_tables(members: Mapping[str, bytes]) -> dict[Guard, DomainTable]:
    return {
        guard: _load_table(members[f"domains/{guard.value}.bin"], members[f"domains/{guard.value}.json"])
        for guard in Guard
        if f"domains/{guard.value}.bin" in members
    }


def _load_table(raw: bytes, categories: bytes) -> DomainTable:
    count, rest = divmod(len(raw), 10)
    hashes, numbers, names = array("Q"), array("H"), json.loads(categories)
    hashes.frombytes(raw[: 8 * count])
    numbers.frombytes(raw[8 * count :])
    if sys.byteorder == "big":
        hashes.byteswap()
        numbers.byteswap()
    if rest or not isinstance(names, list) or (numbers and max(numbers) >= len(names)):
        raise ValueError("a domain table is not whole")
    return DomainTable(hashes, numbers, tuple(str(name) for name in names))


# --- antivirus


def _load_antivirus(members: Mapping[str, bytes]) -> Antivirus:
    entries = json.loads(members[ANTIVIRUS])
    return Antivirus([Malware(str(name), str(body)).pattern() for name, body in entries])
