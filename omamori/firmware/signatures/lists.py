"""Domain lists as published: hosts files, plain lists, UT1 `domains` files. Each gives (domain, category) pairs.

A line that holds no domain is skipped and counted, never guessed at; a list that is mostly such lines is no list.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from omamori.firmware.engine.domains import normalised
from omamori.protocol.vocabulary import Guard

MAX_LIST = 512 << 20
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}\Z")
_LOCAL = frozenset(("localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0"))  # noqa: S104 - a name in lists
_GUARDS = {
    Guard.WG: ("phishing", "malware", "c2", "scam", "ransomware", "cryptojacking", "botnet", "stalkerware", "fraud"),
    Guard.APG: ("filehosting", "file-sharing", "messenger", "chat", "social_networks", "social-media", "video", "games", "audio-video",
                "remote-control", "webmail", "download", "p2p"),
}  # fmt: skip


class ListError(Exception):
    """A file that is no domain list."""


@dataclass(slots=True)
class DomainList:
    """`skipped` lines held something that is no domain (addresses among them)."""

    category: str
    domains: list[str] = field(default_factory=list)
    skipped: int = 0


def guard_of(category: str) -> Guard:
    """Which protection a category belongs to: what is dangerous is the web guard's, applications APG's, the rest UF's."""
    name = category.lower()
    return next((guard for guard, names in _GUARDS.items() if name in names), Guard.UF)


def read_list(path: Path, category: str) -> DomainList:
    """Raises ListError, OSError."""
    if path.is_dir():
        path = next(
            (path / name for name in ("domains", "domains.txt") if (path / name).exists()), path / "domains"
        )
    if path.stat().st_size > MAX_LIST:
        raise ListError(f"{path}: over {MAX_LIST >> 20} MiB are too many for a list")
    with path.open("rb") as file:
        found = parse_list((raw.decode("utf-8", "replace") for raw in file), category)
    if found.skipped > len(found.domains) + 20:
        raise ListError(f"{path}: {found.skipped} lines are no domains, only {len(found.domains)} are")
    return found


def parse_list(lines: Iterable[str], category: str) -> DomainList:
    found = DomainList(category)
    for line in lines:
        for name in _names(line):
            if name is None:
                found.skipped += 1
            else:
                found.domains.append(name)
    return found


def _names(line: str) -> Iterator[str | None]:
    """None for a word that is no domain."""
    words = line.split("#", 1)[0].split()
    if len(words) > 1 and _is_address(words[0]):
        words = [word for word in words[1:] if word.lower() not in _LOCAL]
    for word in words:
        yield _domain(word)


def _domain(word: str) -> str | None:
    bare = word.removeprefix("||").removesuffix("^").removeprefix("*.").removeprefix(".")
    if _is_address(bare):
        return None
    name = normalised(bare)
    return name if name and _NAME.match(name) else None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
