"""Rules from files and folders, for the command line."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from omamori.firmware.signatures.suricata.files import STANDARD, Parsed, parse_rules

MAX_FILE = 256 << 20


def read_rules(
    paths: Iterable[Path], *, with_disabled: bool = False, variables: Collection[str] = STANDARD
) -> Parsed:
    """A folder means all `*.rules` in it; see `parse_rules`. Raises OSError, ValueError for a file that is too large."""
    parsed = Parsed()
    for path in expand(paths):
        size = path.stat().st_size
        if size > MAX_FILE:
            raise ValueError(f"{path}: {size} bytes are too many for a rule file")
        parse_rules(
            path.read_bytes(),
            file=str(path),
            with_disabled=with_disabled,
            into=parsed,
            folder=path.parent,
            variables=variables,
        )
    return parsed


def expand(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.glob("**/*.rules"))
        else:
            yield path
