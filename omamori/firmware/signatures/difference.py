"""What changed between two packs: rules by their number and text, everything else by how much there is of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omamori.firmware.signatures import container
from omamori.firmware.signatures.pack import rule_lines

_SID = re.compile(r"[;(]\s*sid\s*:\s*(\d+)")
_GID = re.compile(r"[;(]\s*gid\s*:\s*(\d+)")
_MSG = re.compile(r'msg\s*:\s*"((?:[^"\\]|\\.)*)"')
_SHOWN = 20
"""Rules of a kind that the text names; JSON names them all."""


@dataclass(frozen=True, slots=True)
class Named:
    """A rule: its number as detections carry it, and its message."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Difference:
    """`sizes` holds only what differs: what -> (before, now)."""

    before: str
    now: str
    added: tuple[Named, ...]
    removed: tuple[Named, ...]
    changed: tuple[Named, ...]
    sizes: dict[str, tuple[int, int]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.sizes)


def compare(before: Path | None, now: Path) -> Difference:
    """Without `before` everything is new. Raises PackError, OSError."""
    old, new = _look(before) if before else _Pack("", {}, {}), _look(now)
    both = old.rules.keys() & new.rules.keys()
    return Difference(
        old.version,
        new.version,
        _named(new.rules, new.rules.keys() - old.rules.keys()),
        _named(old.rules, old.rules.keys() - new.rules.keys()),
        _named(new.rules, {key for key in both if old.rules[key] != new.rules[key]}),
        {
            name: (old.sizes.get(name, 0), new.sizes.get(name, 0))
            for name in sorted(old.sizes.keys() | new.sizes.keys())
            if old.sizes.get(name, 0) != new.sizes.get(name, 0)
        },
    )


def lines(found: Difference) -> Iterator[str]:
    """For people."""
    yield f"{found.before or 'nothing'} -> {found.now}"
    for sign, named in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        yield from (f"{sign} {each.rule} {each.message}" for each in named[:_SHOWN])
        if len(named) > _SHOWN:
            yield f"{sign} and {len(named) - _SHOWN} more"
    for name, (before, now) in found.sizes.items():
        yield f"{name}: {before} -> {now} ({now - before:+})"
    yield f"rules: {len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed"


@dataclass(frozen=True, slots=True)
class _Pack:
    version: str
    rules: dict[str, str]
    sizes: dict[str, int]


def _look(path: Path) -> _Pack:
    manifest, members = container.read(path)
    return _Pack(
        str(manifest.get("version")),
        dict(_rules(rule_lines(members))),
        dict(_sizes(manifest.get("counts"), "")),
    )


def _rules(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """One text may be there twice under a number: then the last counts."""
    for text in texts:
        if sid := _SID.search(text):
            gid = _GID.search(text)
            yield f"{gid[1] if gid else 1}:{sid[1]}", text


def _sizes(counts: object, prefix: str) -> Iterator[tuple[str, int]]:
    for name, value in counts.items() if isinstance(counts, Mapping) else ():
        if isinstance(value, int):
            yield f"{prefix}{name}", value
        else:
            yield from _sizes(value, f"{prefix}{name} ")


def _named(rules: Mapping[str, str], keys: set[str]) -> tuple[Named, ...]:
    return tuple(Named(key, _message(rules[key])) for key in sorted(keys, key=_order))


def _order(key: str) -> tuple[int, int]:
    gid, _, sid = key.partition(":")
    return int(gid), int(sid)


def _message(text: str) -> str:
    found = _MSG.search(text)
    return found[1] if found else ""
