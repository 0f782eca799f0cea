"""What a feed sent, as plain files: a file itself, gzip, bzip2, zip, tar of any of these, or ClamAV's `.cvd`.

An archive decides nothing: the number of its members and all that is unpacked, wanted or not, are bounded while they are
read, whatever headers say; only regular files are taken, under numbers of ours and the last part of their name; links,
devices and encrypted members are left alone. The same content gives the same files. There is no xz and no LZMA: its
headers may ask for gigabytes of memory.
"""

import bz2
import gzip
import hashlib
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

from omamori.signing.packs.description import Feed, Kind
from omamori.signing.packs.errors import FeedError

_CHUNK = 1 << 20
_MOST_MEMBERS = 5_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_CVD_HEAD = 512
_NAMES = {
    Kind.RULES: ("*.rules",),
    Kind.ANTIVIRUS: ("*.hdb", "*.hsb", "*.ndb", "*.ldb", "*.hdu", "*.hsu", "*.ndu", "*.ldu"),
    Kind.LIST: ("*",),
    Kind.CATEGORIES: ("*/domains", "*/urls"),
    Kind.CREDENTIALS: ("*",),
    Kind.REPUTATION: ("*",),
}
"""Members taken where the feed names none."""
_ZIP_FORMS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, OSError, RuntimeError,
    NotImplementedError, ValueError, IndexError,
)  # fmt: skip


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(slots=True)
class _Budget:
    """Bytes that may still be unpacked."""

    left: int


class _Metered:
    """A stream that spends a budget as it is read; its `head` is read again."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream, self._budget = stream, budget
        self._kept = b""

    def head(self, size: int) -> bytes:
        """The next bytes, without taking them."""
        while len(self._kept) < size and (more := self._stream.read(size - len(self._kept))):
            self._kept += more
        return self._kept

    def read(self, size: int = -1) -> bytes:
        """Raises FeedError where the budget is spent."""
        wanted = min(size, _CHUNK) if size >= 0 else _CHUNK
        data, self._kept = self._kept[:wanted], self._kept[wanted:]
        data = data or self._stream.read(wanted)
        self._budget.left -= len(data)
        if self._budget.left < 0:
            raise FeedError(
                "it unpacks to more than is allowed: a bomb, or a limit set too low (unpacked-mib)"
            )
        return data


def unpack(content: Path, feed: Feed, to: Path) -> list[Path]:
    """The feed's files in the new folder `to`, by name. Raises FeedError, OSError for a disk that fails."""
    to.mkdir(parents=True)
    found = []
    try:
        for number, (name, stream) in enumerate(_members(content, _Budget(feed.unpacked))):
            _bound(number)
            if not name or _chosen(name, feed):
                found.append(_write(stream, _place(to, feed, name, number)))
    except FeedError as error:
        raise FeedError(f"{feed.name}: {error}") from error
    except _BROKEN as error:
        raise FeedError(f"{feed.name}: the archive is damaged: {error}"[:300]) from error
    if not found:
        wanted = ", ".join(feed.members or _NAMES[feed.kind])
        raise FeedError(f"{feed.name}: nothing in it is called {wanted}")
    return sorted(found)


def count_lines(files: list[Path]) -> int:
    """Lines that are neither empty nor comments, over all files."""
    total = 0
    for path in files:
        with path.open("rb") as file:
            total += sum(
                1 for line in file if line.strip() and not line.lstrip().startswith((b"#", b";", b"!"))
            )
    return total


def _bound(number: int) -> None:
    if number > _MOST_MEMBERS:
        raise FeedError(f"more than {_MOST_MEMBERS:,} files in it")


def _chosen(name: str, feed: Feed) -> bool:
    patterns = feed.members or _NAMES[feed.kind]
    return any(fnmatchcase(name, each) or fnmatchcase(name, f"*/{each}") for each in patterns)


def _place(to: Path, feed: Feed, name: str, number: int) -> Path:
    """A category is its folder's name; everything else gets a number, so that names never meet."""
    if feed.kind is Kind.CATEGORIES:
        folder = _UNSAFE.sub("_", PurePosixPath(name).parent.name or "list").lstrip(".") or "list"
        (to / folder).mkdir(exist_ok=True)
        return to / folder / PurePosixPath(name).name
    suffix = ".rules" if feed.kind is Kind.RULES else ""
    plain = _UNSAFE.sub("_", PurePosixPath(name).name or feed.name).lstrip(".")[-80:]
    return to / (f"{number:05}-{plain}" + ("" if plain.endswith(suffix) else suffix))


def _write(stream: _Readable, path: Path) -> Path:
    if path.exists():
        raise FeedError(f"two files for {path.parent.name}/{path.name}")
    with path.open("wb") as file:
        while chunk := stream.read(_CHUNK):
            file.write(chunk)
    return path


def _members(content: Path, budget: _Budget) -> Iterator[tuple[str, _Readable]]:
    """(name, stream) of each regular file; the name of a file that is no archive is empty."""
    with content.open("rb") as file:
        head = file.read(_CVD_HEAD)
        if head.startswith(b"ClamAV-VDB:"):
            _check_cvd(head, file)
            file.seek(_CVD_HEAD)
            yield from _of_tar(_Metered(_opened(file), budget))
        elif head.startswith(b"PK\3\4"):
            yield from _of_zip(content, budget)
        else:
            file.seek(0)
            yield from _of_stream(_Metered(_opened(file), budget))


def _opened(file: BufferedReader) -> IO[bytes]:
    """Decompressed, whatever the name said; from where `file` stands."""
    head = file.peek(4)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if head.startswith(b"\xfd7zX"):
        raise FeedError("xz is not read: its headers may ask for gigabytes of memory")
    if head.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.BZ2File(file))
    return file


def _of_stream(stream: _Metered) -> Iterator[tuple[str, _Readable]]:
    """A tar, or the one file itself. `ustar` stands at 257 (POSIX.1-1988, 10.1.1)."""
    if stream.head(512)[257:262] == b"ustar":
        yield from _of_tar(stream)
    else:
        yield "", stream


def _of_tar(stream: _Metered) -> Iterator[tuple[str, _Readable]]:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as archive:
        for member in archive:
            opened = archive.extractfile(member) if member.isreg() else None
            if opened is not None:
                yield member.name, opened


def _of_zip(content: Path, budget: _Budget) -> Iterator[tuple[str, _Readable]]:
    with zipfile.ZipFile(content) as archive:
        infos = archive.infolist()
        _bound(len(infos))
        for info in infos:
            if info.is_dir() or info.flag_bits & 1 or info.compress_type not in _ZIP_FORMS:
                continue
            with archive.open(info) as opened:
                yield info.filename, _Metered(opened, budget)


def _check_cvd(head: bytes, file: IO[bytes]) -> None:
    """The MD5 in the header says that it came whole, not who made it."""
    words = head.decode("latin-1").split(":")
    digest = hashlib.md5(usedforsecurity=False)
    file.seek(_CVD_HEAD)
    shutil.copyfileobj(file, _Hashing(digest), _CHUNK)
    if len(words) < 8 or words[5] != digest.hexdigest():
        raise FeedError("the ClamAV database is not whole: its header names another MD5")


class _Hashing:
    """A file that is only hashed."""

    def __init__(self, digest: "hashlib._Hash") -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)
