"""Two directory trees, file by file: content, kind, mode, owner, time, links and extended attributes."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from omamori.image.stages import hash_of


@dataclass(frozen=True, slots=True)
class Entry:
    """What is compared about a file. `content` is a hash, a link's target or a device number."""

    kind: str
    content: str
    size: int
    mode: int
    owner: tuple[int, int]
    time: int
    attributes: tuple[tuple[str, bytes], ...]


def differences(first: Path, second: Path) -> Iterator[tuple[str, str]]:
    """(path, what differs), by path."""
    ours, theirs = entries(first), entries(second)
    for path in sorted(set(ours) | set(theirs)):
        one, two = ours.get(path), theirs.get(path)
        if one is None or two is None:
            yield path, f"is in the {'second' if one is None else 'first'} build only"
        elif one != two:
            yield path, "; ".join(_told(one, two))


def entries(root: Path) -> dict[str, Entry]:
    """All below a directory, by relative path."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder) / name
            found[str(path.relative_to(root))] = _entry(path)
    return found


def _entry(path: Path) -> Entry:
    facts = path.lstat()
    kind = stat.filemode(facts.st_mode)[0]
    content = ""
    if kind == "l":
        content = str(path.readlink())
    elif kind == "-":
        content = hash_of(path)
    elif kind in "bc":
        content = str(facts.st_rdev)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return Entry(
        kind,
        content,
        facts.st_size if kind == "-" else 0,
        stat.S_IMODE(facts.st_mode),
        (facts.st_uid, facts.st_gid),
        int(facts.st_mtime),
        tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
    )


def _told(one: Entry, two: Entry) -> Iterator[str]:
    if one.kind != two.kind:
        yield f"kind {one.kind!r} against {two.kind!r}"
    elif one.content != two.content:
        what = "link to" if one.kind == "l" else "content"
        sizes = f" ({one.size} bytes against {two.size})" if one.kind == "-" else ""
        yield f"{what} {one.content[:16]} against {two.content[:16]}{sizes}"
    if one.mode != two.mode:
        yield f"mode {one.mode:o} against {two.mode:o}"
    if one.owner != two.owner:
        yield f"owner {one.owner[0]}:{one.owner[1]} against {two.owner[0]}:{two.owner[1]}"
    if one.time != two.time:
        yield f"time stamp {_when(one.time)} against {_when(two.time)}"
    if one.attributes != two.attributes:
        yield "extended attributes differ"


def _when(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
