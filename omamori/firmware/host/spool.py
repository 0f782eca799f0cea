"""Messages on their way to the agent: segments of JSON lines in one directory for each process.

A segment appears complete, by one rename-like link, and is never changed afterwards; segments are numbered, so they are
read in order whatever the clock says. Several writers may share a directory. A writer never raises for a full or
broken disk: it keeps a bounded amount in memory, and counts what it had to give up. A reader removes a segment only when told to.
"""

import contextlib
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from omamori.firmware.host import files
from omamori.protocol.errors import ProtocolError
from omamori.protocol.messages import UpBody, decode_body, encode_body

_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a spool may hold."""

    segment_bytes: int = 64 * 1024
    segment_seconds: float = 0.5
    """A line waits no longer than this for its segment to close."""
    segments: int = 2_000
    directory_bytes: int = 32 * 1024 * 1024
    memory_bytes: int = 1024 * 1024
    """Lines kept while the disk takes none."""


class SpoolWriter:
    """Appends messages. Call `tick` about once a second, and `close` at the end; nothing here raises OSError."""

    def __init__(
        self,
        directory: Path,
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        durable: bool = True,
    ) -> None:
        self.lost = 0
        """Messages given up since the start."""
        self._directory, self._limits, self._clock, self._durable = (
            directory,
            limits or Limits(),
            clock,
            durable,
        )
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._due = math.inf
        self._refused = False
        self._next = 0
        self._forget_halves()

    def put(self, body: UpBody) -> None:
        """Take one message; one that is too large for the wire is counted as lost."""
        try:
            self.put_line(encode_body(body))
        except ProtocolError:
            self.lost += 1

    def put_line(self, line: bytes) -> None:
        """Take one message already in its `encode_body` form."""
        if self._bytes + len(line) + 1 > self._limits.memory_bytes:
            self.lost += 1
            return
        self._lines.append(line)
        self._bytes += len(line) + 1
        self._due = min(self._due, self._clock() + self._limits.segment_seconds)
        if self._bytes >= self._limits.segment_bytes and not self._refused:
            self.tick(force=True)

    def tick(self, *, force: bool = False) -> None:
        """Close what is due. After a failure everything waits for the next due time."""
        if not self._lines or (self._clock() < self._due and not force):
            return
        try:
            while self._lines:
                self._close_segment()
            self._due, self._refused = math.inf, False
        except OSError:
            self._due, self._refused = self._clock() + self._limits.segment_seconds, True

    def close(self) -> None:
        """Write what is left; what the disk refuses now is lost."""
        self.tick(force=True)
        self.lost += len(self._lines)
        self._lines.clear()
        self._bytes = 0

    def _close_segment(self) -> None:
        """One segment out of the oldest lines. Raises OSError with the lines kept."""
        taken = self._take()
        content = b"".join(line + b"\n" for line in taken)
        self._require_room(len(content))
        self._publish(content)
        for _ in taken:
            self._lines.popleft()
        self._bytes -= len(content)

    def _take(self) -> list[bytes]:
        taken: list[bytes] = []
        size = 0
        for line in self._lines:
            size += len(line) + 1
            if taken and size > self._limits.segment_bytes:
                break
            taken.append(line)
        return taken

    def _require_room(self, size: int) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        present = [entry for entry in os.scandir(self._directory) if entry.name.endswith(_SUFFIX)]
        held = sum(_size(entry) for entry in present)
        if len(present) >= self._limits.segments or held + size > self._limits.directory_bytes:
            raise OSError(28, "the spool is full", str(self._directory))

    def _publish(self, content: bytes) -> None:
        temporary = files.temporary_name(self._directory / "segment")
        try:
            files.write_new(temporary, content, durable=self._durable, mode=0o640)
            self._link(temporary)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _link(self, temporary: Path) -> None:
        """Give the file the next free number; another writer's segment is never replaced."""
        self._next = max(self._next, _last_number(self._directory) + 1)
        while True:
            try:
                os.link(temporary, self._directory / f"{self._next:016d}{_SUFFIX}")
                break
            except FileExistsError:
                self._next += 1
        self._next += 1

    def _forget_halves(self) -> None:
        """Remove what writers that died in the middle of a segment left behind."""
        for path in self._directory.glob(".segment.*.new"):
            pid = path.name.split(".")[2]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Segment:
    """One closed segment: its messages in order, and how many lines were no message."""

    path: Path
    bodies: tuple[UpBody, ...]
    skipped: int


class SpoolReader:
    """Reads segments, oldest first. The owner stores the bodies, commits, and then removes the segment."""

    def __init__(self, directory: Path, *, cap: int = 4 * 1024 * 1024) -> None:
        self._directory, self._cap = directory, cap

    def segments(self) -> Iterator[Segment]:
        """Segments present now. One that cannot be read at all comes with no bodies, so that it can be removed."""
        for path in sorted(self._directory.glob(f"[0-9]*{_SUFFIX}")):
            with contextlib.suppress(FileNotFoundError):
                yield self._read(path)

    def remove(self, segment: Segment) -> None:
        """Forget a segment whose bodies are stored. Raises OSError."""
        segment.path.unlink(missing_ok=True)

    def _read(self, path: Path) -> Segment:
        try:
            lines = files.read_capped(path, cap=self._cap).split(b"\n")
        except FileNotFoundError:
            raise
        except OSError:
            return Segment(path, (), 1)
        read = [_message(line) for line in lines if line]
        bodies = tuple(body for body in read if body is not None)
        return Segment(path, bodies, len(read) - len(bodies))


def _message(line: bytes) -> UpBody | None:
    try:
        return decode_body(line)
    except ProtocolError:
        return None


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0


def _last_number(directory: Path) -> int:
    names = (entry.name.removesuffix(_SUFFIX) for entry in os.scandir(directory))
    return max((int(name) for name in names if name.isdigit()), default=0)
