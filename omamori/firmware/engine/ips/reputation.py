"""What is known of addresses: a score by category, as `iprep` asks for it. The narrowest network that holds an address counts."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Entry: TypeAlias = tuple[int, int, int, int]
"""IP version, network as a number, prefix length, score (1 to 127)."""
_BITS = {4: 32, 16: 128}
_VERSIONS = {4: 32, 6: 128}
_Networks: TypeAlias = dict[int, dict[int, int]]


class Reputation:
    """Asked in a look-up for each prefix length that occurs."""

    __slots__ = ("_categories",)

    def __init__(self, categories: Mapping[str, Iterable[Entry]] | None = None) -> None:
        self._categories = {name: _arranged(entries) for name, entries in (categories or {}).items()}

    def score(self, category: str, address: bytes) -> int | None:
        """None where nothing is known of it."""
        bits = _BITS[len(address)]
        number = int.from_bytes(address, "big")
        for shift, networks in self._categories.get(category, {}).get(bits, {}).items():
            if (score := networks.get(number >> shift)) is not None:
                return score
        return None


def _arranged(entries: Iterable[Entry]) -> dict[int, _Networks]:
    """By address size, then by the number of free bits, fewest first."""
    found: dict[int, _Networks] = {}
    for version, network, length, score in entries:
        bits = _VERSIONS[version]
        shift = bits - length
        found.setdefault(bits, {}).setdefault(shift, {})[network >> shift] = score
    return {bits: dict(sorted(networks.items())) for bits, networks in found.items()}
