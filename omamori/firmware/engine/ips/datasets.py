"""Lists that rules look values up in (`dataset`): by name, as hashes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from omamori.firmware.engine.hashed import HashTable

Datasets = Mapping[str, HashTable]
NO_DATASETS: Datasets = MappingProxyType({})
_NOTHING = HashTable(b"", ())


@dataclass(frozen=True, slots=True)
class InDataset:
    """`dataset`: the whole buffer is in a list. `file` is where its entries stand; empty where another rule says so."""

    name: str
    kind: str
    """`string`, `md5` or `sha256`."""
    file: str = ""
    negated: bool = False


def table(step: InDataset, datasets: Datasets) -> HashTable:
    """An empty one where there is none of that name."""
    return datasets.get(step.name, _NOTHING)
