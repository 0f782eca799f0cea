"""Lists of sites in a pack: one table of names, one of URLs and one of addresses for each guard, each as its bytes."""

import json
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field

from omamori.firmware.engine.addresses import AddressTable, Ranges, build_addresses
from omamori.firmware.engine.domains import DomainTable, build_table
from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.urls import UrlTable, build_urls
from omamori.firmware.signatures.container import Data
from omamori.firmware.signatures.lists import DomainList, guard_of
from omamori.protocol.vocabulary import Guard

_WIDTHS = (4, 16)


@dataclass(slots=True)
class Listed:
    """Only guards that have entries."""

    domains: dict[Guard, DomainTable] = field(default_factory=dict)
    urls: dict[Guard, UrlTable] = field(default_factory=dict)
    addresses: dict[Guard, AddressTable] = field(default_factory=dict)


def compile_lists(lists: Sequence[DomainList]) -> Listed:
    """Of an entry on several lists of one guard the first counts. Raises SignatureError."""
    made = Listed()
    for guard in sorted({guard_of(each.category) for each in lists}):
        own = [each for each in lists if guard_of(each.category) is guard]
        domains = build_table((name, each.category) for each in own for name in each.domains)
        urls = build_urls((url, each.category) for each in own for url in each.urls)
        addresses = build_addresses((text, each.category) for each in own for text in each.addresses)
        made.domains |= {guard: domains} if len(domains) else {}
        made.urls |= {guard: urls} if len(urls) else {}
        made.addresses |= {guard: addresses} if len(addresses) else {}
    return made


def dump(listed: Listed) -> dict[str, bytes]:
    """The members of a pack."""
    members: dict[str, bytes] = {}
    for kind, tables in (("domains", listed.domains), ("urls", listed.urls)):
        for guard, each in tables.items():
            members[f"{kind}/{guard.value}.bin"] = bytes(each.table.raw)
            members[f"{kind}/{guard.value}.json"] = json.dumps(each.table.categories).encode()
    members |= {f"urls/{guard.value}.hosts.bin": bytes(each.hosts.raw) for guard, each in listed.urls.items()}
    for guard, addresses in listed.addresses.items():
        for width, ranges in zip(_WIDTHS, (addresses.four, addresses.six), strict=True):
            members[f"addresses/{guard.value}.{width}.bin"] = bytes(ranges.raw)
        members[f"addresses/{guard.value}.json"] = json.dumps(addresses.categories).encode()
    return members


def counts(listed: Listed) -> dict[str, dict[str, int]]:
    """For the manifest."""
    kinds: dict[str, Mapping[Guard, Sized]] = {
        "domains": listed.domains,
        "urls": listed.urls,
        "addresses": listed.addresses,
    }
    return {
        kind: {guard.value: len(table) for guard, table in tables.items()} for kind, tables in kinds.items()
    }


def load(members: Mapping[str, Data]) -> Listed:
    """Raises SignatureError, ValueError, KeyError for what `dump` did not write."""
    listed = Listed()
    for guard in Guard:
        if (names := _hashed(members, f"domains/{guard.value}")) is not None:
            listed.domains[guard] = DomainTable(names)
        if (urls := _hashed(members, f"urls/{guard.value}")) is not None:
            listed.urls[guard] = UrlTable(urls, HashTable(members[f"urls/{guard.value}.hosts.bin"], ("",)))
        if f"addresses/{guard.value}.json" in members:
            four, six = (Ranges(members[f"addresses/{guard.value}.{width}.bin"], width) for width in _WIDTHS)
            listed.addresses[guard] = AddressTable(
                four, six, _categories(members[f"addresses/{guard.value}.json"])
            )
    return listed


def _hashed(members: Mapping[str, Data], name: str) -> HashTable | None:
    raw = members.get(f"{name}.bin")
    return None if raw is None else HashTable(raw, _categories(members[f"{name}.json"]))


def _categories(raw: Data) -> tuple[str, ...]:
    names = json.loads(bytes(raw))
    if not isinstance(names, list):
        raise ValueError("the categories of a table are no list")  # noqa: TRY004 - what the pack's load turns into its error
    return tuple(str(name) for name in names)
