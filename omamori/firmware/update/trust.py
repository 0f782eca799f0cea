"""The TUF client: what the root of trust in the image says may be installed, and the files themselves.

Trust decisions are python-tuf's (`tuf.ngclient`); this module bounds them, keeps the verified metadata on the data
partition, downloads targets so that they can be resumed, and gives each way to fail one name (errors.py).
A damaged cache is fetched again; the root of trust never comes from the cache alone, but from the sealed image.
"""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import urllib3
from tuf.api import exceptions as tuf
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import Updater, UpdaterConfig

from omamori.firmware.update.delta import AtHand, assemble
from omamori.firmware.update.errors import (
    BadHash,
    BadSignature,
    DiskFull,
    Endless,
    Expired,
    GiveWay,
    Rollback,
    Slow,
    Unpublished,
    Unreachable,
    UpdateError,
    translated,
)
from omamori.firmware.update.fetch import Mirror, Source
from omamori.protocol.chunks import INDEX_CAP, SUFFIX, Chunk, Rule, decode
from omamori.protocol.errors import ProtocolError

RESERVE = 8 * 1024 * 1024
"""Bytes a download leaves free for the other processes of the unit."""
ATTEMPTS = 3
"""Connections a single target may take in one run."""

_OF_MIRROR = "mirror-"
CONFIG = UpdaterConfig(
    max_root_rotations=128,
    max_delegations=8,
    root_max_length=64 * 1024,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=64 * 1024,
    targets_max_length=1024 * 1024,
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the repository is served, and where its metadata and unfinished downloads are kept; the folders are ours alone."""

    metadata_url: str
    targets_url: str
    metadata: Path
    downloads: Path


class Trust:
    """The fleet's repository, seen through the root of trust."""

    def __init__(self, places: Places, *, root: bytes, fetcher: Source, mirror: Mirror | None = None) -> None:
        """A `mirror` is asked for files first, and never for metadata. Raises BadSignature for a root that is none, OSError."""
        self._places, self._fetcher = places, fetcher
        self._mirror = mirror
        self._using: Mirror | None = None
        self.remarks: list[str] = []
        """What went wrong and did not matter."""
        for folder in (places.metadata, places.downloads):
            folder.mkdir(parents=True, exist_ok=True)
        with _translated("root of trust"):
            self._updater = Updater(
                str(places.metadata), places.metadata_url, fetcher=fetcher, config=CONFIG, bootstrap=root
            )

    def refresh(self, now: datetime | None = None) -> None:
        """Fetch and verify the metadata, once; judged at `now`, or by the clock. Raises UpdateError."""
        if now is not None:
            self._updater._trusted_set.reference_time = now  # noqa: SLF001 - python-tuf has no other way to say it
        with _translated("metadata"):
            self._updater.refresh()

    def fetch(
        self, path: str, *, urgent: Callable[[], bool] = lambda: False, at_hand: Sequence[Path] = ()
    ) -> Path:
        """The verified target file in the download directory; the caller moves or removes it. Raises UpdateError.

        `urgent` is asked after each piece; where it says yes, the partial file stays and GiveWay is raised. What the
        files `at_hand` hold of it is not fetched, where its list of pieces was published (delta.py).
        """
        target = self.find(path)
        self._forget_downloads(target)
        found = self._from_mirror(target, urgent, at_hand) or self._fetch(target, urgent, at_hand)
        for each in self._parts(target) - {found}:
            each.unlink(missing_ok=True)
        return found

    def _from_mirror(
        self, target: TargetFile, urgent: Callable[[], bool], at_hand: Sequence[Path]
    ) -> Path | None:
        """None where it is to come from the fleet. Raises GiveWay."""
        if self._mirror is None:
            return None
        if why := self._mirror.begin():
            self.remarks.append(f"the mirror is not asked: {why}")
            return None
        self._using, asked = self._mirror, self._mirror
        try:
            found = self._fetch(target, urgent, at_hand)
        except GiveWay:
            asked.ended()
            raise
        except UpdateError as error:
            self.remarks.append(f"the mirror is passed over: {error}")
            self._part(target).unlink(missing_ok=True)
            if not isinstance(error, Unpublished):
                self._leave_mirror()
            found = None
        finally:
            self._using = None
        asked.ended()
        return found

    @property
    def received(self) -> int:
        """Bytes that came so far, not counting a mirror's: they cost the customer's line nothing."""
        return self._fetcher.received

    def _fetch(self, target: TargetFile, urgent: Callable[[], bool], at_hand: Sequence[Path]) -> Path:
        """From the mirror, where there is one. Raises UpdateError, GiveWay."""
        if at_hand and self._patched(target, urgent, at_hand):
            with contextlib.suppress(BadHash):
                return self._target(target, urgent)
        return self._target(target, urgent)

    def _leave_mirror(self) -> None:
        if self._mirror is not None:
            self._mirror.source.close()
            self._mirror = None

    def _open(self, target: TargetFile, start: int, end: int | None = None) -> tuple[int, Iterator[bytes]]:
        """Raises as `Source.open`."""
        source = self._using.source if self._using else self._fetcher
        return source.open(self._url(target), start, end)

    def _patched(self, target: TargetFile, urgent: Callable[[], bool], at_hand: Sequence[Path]) -> bool:
        """Put the target together from what is here, as far as that goes. Raises GiveWay, DiskFull, Unreachable."""
        try:
            rule, listed = self._list_of(target, urgent)
        except (UpdateError, ProtocolError) as error:
            self.remarks.append(f"all of {target.path} is fetched: {error}")
            return False
        for attempt in range(ATTEMPTS):
            try:
                with AtHand(at_hand, rule) as here:
                    self._assemble(target, listed, urgent, here)
                break
            except Unreachable:
                if attempt == ATTEMPTS - 1:
                    raise
            except DiskFull:
                raise
            except UpdateError as error:
                self.remarks.append(f"the rest of {target.path} is fetched as it is: {error}")
                break
        return True

    def _assemble(
        self,
        target: TargetFile,
        listed: Sequence[Chunk],
        urgent: Callable[[], bool],
        here: AtHand,
    ) -> None:
        """Raises GiveWay, UpdateError."""
        path = self._part(target)
        _require_room(path, target.length - _size(path))
        try:
            with _translated(target.path), _opened(path) as part:
                assemble(listed, part, here, lambda start, end: self._between(target, start, end), urgent)
        except DiskFull:
            path.unlink(missing_ok=True)
            raise

    def _list_of(self, target: TargetFile, urgent: Callable[[], bool]) -> tuple[Rule, tuple[Chunk, ...]]:
        """Raises UpdateError, ProtocolError, OSError."""
        found = self.find(target.path + SUFFIX)
        if found.length > INDEX_CAP:
            raise Endless(f"{found.path} has more pieces than any file")
        path = self._target(found, urgent)
        try:
            return decode(path.read_bytes(), total=target.length)
        finally:
            path.unlink(missing_ok=True)

    def _between(self, target: TargetFile, start: int, end: int) -> Iterator[bytes]:
        whole = (start, end) == (0, target.length)
        begun, pieces = self._open(target, start, None if whole else end)
        if begun != start:
            raise Unpublished("the server has no ranges")
        return pieces

    def find(self, path: str) -> TargetFile:
        """Length and hashes of a target, as signed. Raises UpdateError."""
        with _translated(path):
            target = self._updater.get_targetinfo(path)
        if target is None:
            raise Unpublished(f"{path} is not in the repository")
        return target

    def offered(self, role: str) -> dict[str, TargetFile]:
        """Every target of a delegated role, by its path. Raises UpdateError."""
        with _translated(role):
            self._updater.get_targetinfo(f"{role}/")
            signed: Metadata[Targets] = Metadata.from_bytes(
                (self._places.metadata / f"{role}.json").read_bytes()
            )
        return dict(signed.signed.targets)

    def close(self) -> None:
        """End its connections."""
        self._leave_mirror()
        self._fetcher.close()

    def _forget_downloads(self, target: TargetFile) -> None:
        """Remove finished and partial downloads of other files of this kind: a pack never costs a half-fetched bundle."""
        kept = self._parts(target)
        for kind in (Path(target.path).suffix, SUFFIX):
            for path in self._places.downloads.glob(f"*{kind}.part"):
                if path not in kept:
                    path.unlink(missing_ok=True)

    def _target(self, target: TargetFile, urgent: Callable[[], bool]) -> Path:
        part = self._part(target)
        with _translated(target.path):
            for attempt in range(ATTEMPTS):
                if part.exists() and _size(part) >= target.length:
                    break
                self._receive(target, part, urgent, last=attempt == ATTEMPTS - 1)
            _verify(target, part)
        return part

    def _part(self, target: TargetFile) -> Path:
        """What came from a mirror lies by itself: wrong bytes of it never spoil, or cost, what has come from the fleet."""
        whose = _OF_MIRROR if self._using else ""
        return self._places.downloads / f"{whose}{_digest(target)}{Path(target.path).suffix}.part"

    def _parts(self, target: TargetFile) -> set[Path]:
        """The fleet's, and a mirror's where there is one."""
        name = f"{_digest(target)}{Path(target.path).suffix}.part"
        return {
            self._places.downloads / f"{whose}{name}"
            for whose in ("", _OF_MIRROR)[: 2 if self._mirror else 1]
        }

    def _receive(self, target: TargetFile, part: Path, urgent: Callable[[], bool], *, last: bool) -> None:
        """Add to the partial file until it is complete or the connection ends."""
        _require_room(part, target.length - _size(part))
        try:
            start, chunks = self._open(target, _size(part))
            _append(part, start, chunks, target.length, urgent)
        except (urllib3.exceptions.ProtocolError, ConnectionError):
            if last:
                raise
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                part.unlink(missing_ok=True)
            raise

    def _url(self, target: TargetFile) -> str:
        """Below the hash's name, unless the root says that this repository has none."""
        root: Metadata[Root] = Metadata.from_bytes((self._places.metadata / "root.json").read_bytes())
        name = target.get_prefixed_paths()[0] if root.signed.consistent_snapshot else target.path
        base = self._using.url if self._using else self._places.targets_url
        return f"{base.rstrip('/')}/{name}"


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Every way a transfer or a verification fails, by its name here."""
    try:
        with translated(what):
            yield
    except (tuf.RepositoryError, tuf.DownloadError, DeserializationError) as error:
        raise _named(what, error) from error
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"{what}: {_cause(error)}") from error


def _named(what: str, error: Exception) -> UpdateError:
    match error:
        case tuf.ExpiredMetadataError():
            return Expired(f"{what}: {error}")
        case tuf.BadVersionNumberError():
            return Rollback(f"{what}: {error}")
        case tuf.LengthOrHashMismatchError():
            return BadHash(f"{what}: {error}")
        case tuf.RepositoryError() | DeserializationError():
            return BadSignature(f"{what}: {error}")
        case tuf.SlowRetrievalError():
            return Slow(f"{what}: {error or 'no answer in time'}")
        case tuf.DownloadLengthMismatchError():
            return Endless(f"{what}: {error}")
        case tuf.DownloadHTTPError(status_code=404):
            return Unpublished(f"{what}: the server does not have it")
        case _:
            return _named_cause(what, error)


def _named_cause(what: str, error: Exception) -> UpdateError:
    """python-tuf wraps what is not its own: a full disk and a lost network look alike until the cause is read."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(f"{what}: no room on the data partition")
    return Unreachable(f"{what}: {_cause(cause or error)}")


def _cause(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return f"{reason or error}"[:300]


def _append(part: Path, start: int, chunks: Iterator[bytes], length: int, urgent: Callable[[], bool]) -> None:
    """Raises DownloadLengthMismatchError at the first byte beyond `length`; the file then does not stay. GiveWay."""
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        for chunk in chunks:
            if file.tell() + len(chunk) > length:
                part.unlink()
                raise tuf.DownloadLengthMismatchError(f"more than the {length:,} bytes that were signed")
            file.write(chunk)
            if urgent():
                raise GiveWay
        file.flush()
        os.fsync(file.fileno())


def _opened(part: Path) -> IO[bytes]:
    """For reading and writing, made where it is missing; nothing in it is lost."""
    return part.open("r+b" if part.exists() else "w+b")


def _digest(target: TargetFile) -> str:
    """The hash it is stored under. Raises BadHash for one that would be another path: whoever signed it is no friend."""
    digest = next(iter(target.hashes.values()), "")
    if not re.fullmatch("[0-9a-fA-F]{32,128}", digest):
        raise BadHash(f"{target.path}: {digest[:40]!r} is no hash")
    return digest


def _verify(target: TargetFile, part: Path) -> None:
    """Raises LengthOrHashMismatchError. A short file stays, to be resumed; a wrong one does not."""
    if not part.exists():
        raise tuf.DownloadError("nothing was sent")
    try:
        with part.open("rb") as file:
            target.verify_length_and_hashes(file)
    except tuf.LengthOrHashMismatchError:
        if _size(part) >= target.length:
            part.unlink()
        raise


def _require_room(part: Path, needed: int) -> None:
    facts = os.statvfs(part.parent)
    free = facts.f_bavail * facts.f_frsize
    if needed + RESERVE > free:
        raise DiskFull(f"{needed:,} bytes to fetch, {free:,} free, {RESERVE:,} are kept for others")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
