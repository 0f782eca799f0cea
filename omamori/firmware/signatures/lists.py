"""Lists of sites as published: hosts files, plain lists of domains, URLs or addresses, UT1's folders. Kinds may be mixed.

A line that holds none of these is skipped and counted, never guessed at; a list that is mostly such lines is no list.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from omamori.firmware.engine.domains import normalised
from omamori.firmware.engine.urls import spelled
from omamori.protocol.vocabulary import Guard

MAX_LIST = 512 << 20
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}\Z")
_NUMERIC = re.compile(r"(?:[0-9.]+|[0-9a-fA-F]*:[0-9a-fA-F:.]*)(?:/[0-9]{1,3})?\Z")
_LOCAL = frozenset(("localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0"))  # noqa: S104 - a name in lists
_NOWHERE = frozenset(("0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%lo0"))  # noqa: S104 - in lists
_GUARDS = {
    Guard.WG: ("phishing", "malware", "c2", "scam", "ransomware", "cryptojacking", "botnet", "stalkerware", "fraud"),
    Guard.APG: ("filehosting", "file-sharing", "messenger", "chat", "social_networks", "social-media", "video", "games", "audio-video",
                "remote-control", "webmail", "download", "p2p"),
}  # fmt: skip
_WIDEST = {4: 8, 6: 19}
"""Prefix lengths below which a network on a list can only be a mistake."""


class ListError(Exception):
    """A file that is no list of sites."""


@dataclass(slots=True)
class DomainList:
    """`skipped` lines held nothing of these."""

    category: str
    domains: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.domains) + len(self.urls) + len(self.addresses)


def guard_of(category: str) -> Guard:
    """Which protection a category belongs to: what is dangerous is the web guard's, applications APG's, the rest UF's."""
    name = category.lower()
    return next((guard for guard, names in _GUARDS.items() if name in names), Guard.UF)


def read_list(path: Path, category: str) -> DomainList:
    """A file, or a folder of UT1 with `domains` and `urls` in it. Raises ListError, OSError."""
    found = DomainList(category)
    for file in _files(path):
        if file.stat().st_size > MAX_LIST:
            raise ListError(f"{file}: over {MAX_LIST >> 20} MiB are too many for a list")
        with file.open("rb") as lines:
            _take(found, (raw.decode("utf-8", "replace") for raw in lines))
    if found.skipped > len(found) + 20:
        raise ListError(
            f"{path}: {found.skipped} lines are no domains, URLs or addresses, only {len(found)} are"
        )
    return found


def read_ut1(directory: Path) -> Iterator[DomainList]:
    """Every category of a UT1 tree: each folder that holds `domains` or `urls`, by name. Raises ListError, OSError."""
    folders = [folder for folder in sorted(directory.iterdir()) if folder.is_dir() and _members(folder)]
    if not folders:
        raise ListError(f"{directory}: no folder with a file `domains` or `urls` in it")
    for folder in folders:
        yield read_list(folder, folder.name)


def parse_list(lines: Iterable[str], category: str) -> DomainList:
    found = DomainList(category)
    _take(found, lines)
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    members = _members(path)
    if not members:
        raise ListError(f"{path}: neither `domains` nor `urls` is in it")
    return members


def _members(folder: Path) -> list[Path]:
    names = ("domains", "domains.txt", "urls", "urls.txt")
    return [folder / name for name in names if (folder / name).is_file()]


def _take(found: DomainList, lines: Iterable[str]) -> None:
    for line in lines:
        for word in _words(line):
            _sort(found, word)


def _sort(found: DomainList, word: str) -> None:
    """Into the list it belongs to."""
    bare = word.removeprefix("||").removesuffix("^").removeprefix("*.").removeprefix(".")
    if _NUMERIC.match(bare):
        address = _address(bare)
        if address:
            found.addresses.append(address)
            return
    elif "/" in bare:
        url = spelled(bare)
        if url and _is_host(url.partition("/")[0]):
            found.urls.append(url)
            return
    elif (name := normalised(bare)) and _NAME.match(name):
        found.domains.append(name)
        return
    found.skipped += 1


def _words(line: str) -> list[str]:
    if line.lstrip().startswith(("#", "!", ";")):
        return []
    words = line.split(" #", 1)[0].split()
    if len(words) > 1 and words[0] in _NOWHERE:
        return [word for word in words[1:] if word.lower() not in _LOCAL]
    return [] if len(words) == 1 and words[0] in _NOWHERE else words


def _is_host(name: str) -> bool:
    return bool(_NAME.match(name)) or _address(name) is not None


def _address(text: str) -> str | None:
    """In its one spelling; None for what is no address, or a network nobody would list."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    too_wide = network.prefixlen < _WIDEST[network.version]
    if too_wide or network.is_loopback or network.is_multicast or network.is_unspecified:
        return None
    return str(network.network_address) if network.num_addresses == 1 else str(network)
