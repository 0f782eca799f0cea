"""A pack proves itself: samples that must and must not match, carried in the pack and tried at each load.

A matcher that was built for another processor, or a database that was damaged where no checksum looks, shows here rather
than by silence in the field.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_network

from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.antivirus_lists import Malware
from omamori.firmware.signatures.container import Altered, SelfTestFailed
from omamori.firmware.signatures.lists import DomainList, guard_of
from omamori.protocol.vocabulary import Guard

MEMBER = "selftest.json"
CLEAN_NAME = "example.invalid"
_EACH = 3
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Sample:
    """`kind` is `domain`, `url`, `address` (of a guard) or `file`; `value` is the name, or bytes in hexadecimal."""

    kind: str
    value: str
    matches: bool
    guard: str = ""


def samples(lists: Sequence[DomainList], malware: Sequence[Malware]) -> list[Sample]:
    """Chosen evenly from what goes into a pack."""
    found = [
        Sample(kind, value, matches=True, guard=guard_of(each.category).value)
        for each in lists
        for kind, values in (("domain", each.domains), ("url", each.urls), ("address", each.addresses))
        for value in values[:: max(1, len(values) // _EACH)][:_EACH]
    ]
    found += [Sample("domain", CLEAN_NAME, matches=False, guard=guard.value) for guard in Guard]
    literal = [each for each in malware if set(each.body) <= _HEX]
    found += [
        Sample("file", each.body, matches=True) for each in literal[:: max(1, len(literal) // _EACH)][:_EACH]
    ]
    return [*found, Sample("file", b"an ordinary text\n".hex() * 20, matches=False)]


def dump(samples: Sequence[Sample]) -> bytes:
    return json.dumps([asdict(sample) for sample in samples]).encode()


def load(raw: bytes) -> list[Sample]:
    """Raises Altered."""
    try:
        return [Sample(**fields) for fields in json.loads(raw)]
    except (TypeError, ValueError, RecursionError) as error:
        raise Altered(f"the self-test cannot be read: {error}") from error


def run(signatures: Signatures, samples: Sequence[Sample]) -> None:
    """Raises SelfTestFailed."""
    for sample in samples:
        if _matches(signatures, sample) is not sample.matches:
            wanted = "matches nothing" if sample.matches else "matches, though it must not"
            raise SelfTestFailed(f"self-test: the {sample.kind} {sample.value[:60]!r} {wanted}")
    if isinstance(signatures.rules, RuleSet) and (silent := signatures.rules.silent_groups()):
        raise SelfTestFailed(
            f"self-test: the matcher does not find its own literals in {', '.join(silent[:3])}"
        )


def _matches(signatures: Signatures, sample: Sample) -> bool:
    try:
        if sample.kind != "file":
            return _listed(signatures, sample)
        scan = signatures.antivirus.scan()
        try:
            return bool(scan.feed(bytes.fromhex(sample.value)))
        finally:
            scan.close()
    except (ValueError, AttributeError, TypeError) as error:
        raise Altered(f"the self-test cannot be run: {error}") from error


def _listed(signatures: Signatures, sample: Sample) -> bool:
    guard = Guard(sample.guard)
    if sample.kind == "domain":
        names = signatures.domains.get(guard)
        return names is not None and names.lookup(sample.value) is not None
    if sample.kind == "url":
        urls = signatures.urls.get(guard)
        return urls is not None and urls.table.get(sample.value) is not None
    addresses = signatures.addresses.get(guard)
    network = ip_network(sample.value)
    return addresses is not None and addresses.lookup(network.network_address.packed) is not None
