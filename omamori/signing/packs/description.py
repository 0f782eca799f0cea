"""What a pack is made of, as a TOML file says: feeds, gates, channels. Every key is checked; an unknown one is an error.

Paths are taken from the file's own folder; `${NAME}` in a capture's path is an environment variable, and a path whose
variable is not set is left out, so that one description serves with and without a corpus.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

from omamori.signing.packs.errors import DescriptionError

CAP = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}", re.ASCII)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_MOST_FEEDS = 500


class Kind(Enum):
    """What a feed holds, and so how the engine takes it."""

    RULES = "rules"
    LIST = "list"
    CATEGORIES = "categories"
    ANTIVIRUS = "antivirus"
    CREDENTIALS = "credentials"
    REPUTATION = "reputation"


@dataclass(frozen=True, slots=True)
class Proof:
    """How a feed's content is proven. A URL with `{url}` in it stands for the mirror that served the content."""

    checksum: str = ""
    """URL of a file with the hash, as `sha256sum` writes it."""
    algorithm: str = "sha256"
    sha256: str = ""
    """The one content that is accepted."""
    gpg: str = ""
    """URL of a detached OpenPGP signature."""
    keyring: Path | None = None
    minisign: str = ""
    """URL of a detached minisign signature."""
    key: str = ""
    """minisign public key."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One source. `urls` are mirrors of the same content, in the order in which they are tried."""

    name: str
    kind: Kind
    urls: tuple[str, ...]
    category: str = ""
    members: tuple[str, ...] = ()
    """Patterns of an archive's members; none takes all that this kind can read."""
    proof: Proof = field(default_factory=Proof)
    largest: int = 64 << 20
    unpacked: int = 512 << 20
    time: timedelta = timedelta(minutes=5)
    stale: timedelta = timedelta(days=7)
    """How long the last good copy may stand in for a feed that fails."""
    shrink: float = 0.5
    """Share of the last good copy's lines that a new one must still have."""
    required: bool = True

    @property
    def form(self) -> str:
        """What a copy was taken by: one that was proven or chosen in another way is fetched anew."""
        taken_by = repr((self.kind.value, self.members, self.proof))
        return hashlib.sha256(taken_by.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Must:
    """A capture in which these signatures, or anything, must be found."""

    path: Path
    signatures: tuple[str, ...] = ()
    carried: bool = False


@dataclass(frozen=True, slots=True)
class Gates:
    """How good a pack must be."""

    load_share: float = 0.95
    largest: int = 128 << 20
    false_matches: int = 0
    allowed: tuple[str, ...] = ()
    """Signatures that may be found in clean traffic, because they were looked at and are right."""
    slowdown: float = 1.5
    shrink: float = 0.5
    """Share of the last pack's rules, and of each of its lists, that must still be there."""
    clean: tuple[Path, ...] = ()
    carried: tuple[Path, ...] = ()
    """Small clean captures that units replay, too."""
    must: tuple[Must, ...] = ()
    everyday: bool = True
    """Generated captures beside those named."""


@dataclass(frozen=True, slots=True)
class Channels:
    """What a pack must have shown among few before it goes to all."""

    soak: timedelta = timedelta(hours=24)
    units: int = 10
    failed_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Description:
    """A whole file."""

    feeds: tuple[Feed, ...]
    gates: Gates
    channels: Channels
    test_file: bool = True


def read(path: Path) -> Description:
    """Raises DescriptionError, OSError."""
    with path.open("rb") as file:
        raw = file.read(CAP + 1)
    if len(raw) > CAP:
        raise DescriptionError(f"{path} is larger than {CAP:,} bytes")
    return parse(raw, path.parent)


def parse(raw: bytes, folder: Path) -> Description:
    """Raises DescriptionError."""
    try:
        found = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise DescriptionError(f"no TOML: {error}") from error
    top = _Table("", found)
    feeds = tuple(_feed(each, folder) for each in top.tables("feed"))
    if not 1 <= len(feeds) <= _MOST_FEEDS or len({each.name for each in feeds}) != len(feeds):
        raise DescriptionError(f"a pack needs 1 to {_MOST_FEEDS} [[feed]]s, each with a name of its own")
    gates, channels = _gates(top.table("gates"), folder), _channels(top.table("channels"))
    pack = top.table("pack")
    made = Description(feeds, gates, channels, pack.truth("test-file", usual=True))
    pack.end()
    top.end()
    return made


def _feed(table: "_Table", folder: Path) -> Feed:
    name = table.text("name")
    if not _NAME.fullmatch(name):
        table.wrong("name", "small letters, digits, `.`, `-` and `_`")
    try:
        kind = Kind(table.text("kind"))
    except ValueError:
        table.wrong("kind", f"one of {', '.join(each.value for each in Kind)}")
    urls = table.texts("urls")
    if not urls or not all(each.startswith(("https://", "http://")) for each in urls):
        table.wrong("urls", "one or more http or https addresses")
    made = Feed(
        name,
        kind,
        urls,
        table.text("category", ""),
        table.texts("members"),
        _proof(table.table("proof"), folder),
        table.mebibytes("largest-mib", 64),
        table.mebibytes("unpacked-mib", 512),
        timedelta(seconds=table.number("seconds", 300, 1, 86_400)),
        timedelta(days=table.number("stale-days", 7, 0, 365)),
        table.number("shrink", 0.5, 0, 1),
        table.truth("required", usual=True),
    )
    if bool(made.category) is not (kind in {Kind.LIST, Kind.REPUTATION}):
        table.wrong("category", "for a list or a reputation, and only there")
    table.end()
    return made


def _proof(table: "_Table", folder: Path) -> Proof:
    keyring = table.text("keyring", "")
    made = Proof(
        table.text("checksum", ""),
        table.text("algorithm", "sha256"),
        table.text("sha256", "").lower(),
        table.text("gpg", ""),
        folder / keyring if keyring else None,
        table.text("minisign", ""),
        table.text("key", ""),
    )
    if made.algorithm not in {"md5", "sha1", "sha256", "sha512"}:
        table.wrong("algorithm", "md5, sha1, sha256 or sha512")
    if made.sha256 and not re.fullmatch("[0-9a-f]{64}", made.sha256):
        table.wrong("sha256", "64 hexadecimal digits")
    if bool(made.gpg) is not bool(made.keyring) or bool(made.minisign) is not bool(made.key):
        table.wrong("keyring", "given with gpg, as key is with minisign")
    table.end()
    return made


def _gates(table: "_Table", folder: Path) -> Gates:
    made = Gates(
        table.number("load-share", 0.95, 0, 1),
        table.mebibytes("largest-mib", 128),
        int(table.number("false-matches", 0, 0, 1_000_000)),
        table.texts("allowed"),
        table.number("slowdown", 1.5, 1, 1000),
        table.number("shrink", 0.5, 0, 1),
        tuple(path for text in table.texts("clean") for path in _files(text, folder)),
        tuple(path for text in table.texts("carried") for path in _files(text, folder)),
        tuple(must for each in table.tables("must") for must in _must(each, folder)),
        table.truth("everyday", usual=True),
    )
    table.end()
    return made


def _must(table: "_Table", folder: Path) -> list[Must]:
    capture, signatures = table.text("capture"), table.texts("signatures")
    carried = table.truth("carried", usual=False)
    table.end()
    return [Must(path, signatures, carried) for path in _files(capture, folder)]


def _channels(table: "_Table") -> Channels:
    made = Channels(
        timedelta(hours=table.number("soak-hours", 24, 0, 24 * 90)),
        int(table.number("units", 10, 0, 1_000_000)),
        table.number("failed-share", 0, 0, 1),
    )
    table.end()
    return made


def _files(text: str, folder: Path) -> list[Path]:
    """Of a path or pattern; none where a variable in it is not set. Raises DescriptionError where nothing is there."""
    if any(not os.environ.get(name) for name in _VARIABLE.findall(text)):
        return []
    whole = folder / _VARIABLE.sub(lambda match: os.environ[match[1]], text)
    found = sorted(
        path for path in Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))) if path.is_file()
    )
    if not found:
        raise DescriptionError(f"{text}: no such file")
    return found


class _Table:
    """A TOML table whose keys are taken out one by one; what is left at the `end` is unknown."""

    def __init__(self, where: str, content: Mapping[str, Any]) -> None:
        self._where, self._left = where, dict(content)

    def wrong(self, key: str, wanted: str) -> NoReturn:
        raise DescriptionError(f"{self._where}{key}: expected {wanted}")

    def end(self) -> None:
        """Raises DescriptionError for a key that nobody asked for."""
        if self._left:
            raise DescriptionError(f"{self._where}{min(self._left)}: no such key")

    def text(self, key: str, usual: str | None = None) -> str:
        found = self._left.pop(key, usual)
        return found if isinstance(found, str) else self.wrong(key, "a text")

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._left.pop(key, [])
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            self.wrong(key, "a list of texts")
        return tuple(found)

    def truth(self, key: str, *, usual: bool) -> bool:
        found = self._left.pop(key, usual)
        return found if isinstance(found, bool) else self.wrong(key, "true or false")

    def number(self, key: str, usual: float, least: float, most: float) -> float:
        found = self._left.pop(key, usual)
        if isinstance(found, bool) or not isinstance(found, int | float) or not least <= found <= most:
            self.wrong(key, f"a number from {least:g} to {most:g}")
        return float(found)

    def mebibytes(self, key: str, usual: int) -> int:
        return int(self.number(key, usual, 0.001, 4096) * (1 << 20))

    def table(self, key: str) -> "_Table":
        found = self._left.pop(key, {})
        if not isinstance(found, dict):
            self.wrong(key, "a table")
        return _Table(f"{self._where}{key}.", found)

    def tables(self, key: str) -> list["_Table"]:
        found = self._left.pop(key, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            self.wrong(key, "an array of tables")
        return [_Table(f"{self._where}{key}[{number}].", each) for number, each in enumerate(found)]


Progress = Callable[[str], None]
"""Told what is being done, in words."""
