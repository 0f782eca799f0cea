"""Writing a disk image to a disk: first the partitions, read back and compared, then the table that makes it start.

A disk whose writing was broken off, or that does not give back what was written, has no partition table: nothing starts from it
by accident. The kernel lends the disk to us alone (O_EXCL) from the first byte to the last, and neither direction goes through
its cache (O_DIRECT), so that what is compared comes from the disk. Holes of the image are written as zeros.
"""

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from omamori.image.errors import EvidenceError, FlashFailed, ImageError, TargetRefused, ToolFailed
from omamori.image.parts import Partition, partitions, prove_both_tables
from omamori.image.programs import run
from omamori.image.target import Target

Progress: TypeAlias = Callable[[int], object]
"""Told how many bytes were done since the last time."""
Taken: TypeAlias = Callable[[memoryview], object]

_CHUNK: Final = 4 * 2**20
_BLANK: Final = 64 * 2**20
_ALIGNMENT: Final = 4096
_ZEROS: Final = bytes(_CHUNK)
_BOOT: Final = "esp"
# linux/fs.h
_BLKRRPART, _BLKZEROOUT = 0x125F, 0x127F
_TABLE: Final = 2**20
"""Room at the end of a disk where an older system may have left its second table."""


@dataclass(frozen=True, slots=True)
class Layout:
    """An image: its partitions lie between `begin` and `end`; the table lies before them."""

    path: Path
    size: int
    begin: int
    end: int
    partitions: tuple[Partition, ...]

    @property
    def length(self) -> int:
        return self.end - self.begin


def layout(path: Path) -> Layout:
    """Raises EvidenceError, FlashFailed where there is no table or one that cannot be written this way."""
    found = tuple(partitions(path))
    size = path.stat().st_size
    begin = min((each.start for each in found), default=0)
    last = max((each.start + each.size for each in found), default=0)
    end = -(-last // _ALIGNMENT) * _ALIGNMENT
    if not 0 < begin < end <= size or begin % _ALIGNMENT or begin > _BLANK:
        raise FlashFailed(f"{path.name} has partitions from {begin:,} to {last:,} of {size:,} bytes")
    return Layout(path, size, begin, end, found)


@contextlib.contextmanager
def lent(target: Target, *, writing: bool) -> Iterator[int]:
    """The disk, for us alone. Raises TargetRefused where somebody has it, or it is another one by now."""
    flags = (os.O_RDWR if writing else os.O_RDONLY) | os.O_EXCL | os.O_DIRECT | os.O_CLOEXEC
    try:
        device = os.open(target.path, flags)
    except OSError as error:
        raise TargetRefused(f"{target.path}: {_refused(error)}") from error
    try:
        if os.fstat(device).st_rdev != target.number:
            raise TargetRefused(f"{target.path} is another disk now")
        yield device
    finally:
        os.close(device)


def _refused(error: OSError) -> str:
    match error.errno:
        case errno.EBUSY:
            return "something uses it: a mount elsewhere, swap, a volume or another program"
        case errno.EACCES | errno.EPERM:
            return "writing to a disk needs root"
        case _:
            return str(error.strerror)


def write(image: Layout, target: Target, device: int, progress: Progress, *, erase: bool) -> str:
    """Put the image there and return the SHA-256 of its partitions. Raises FlashFailed, and then there is no table."""
    try:
        _blank(device, 0, image.begin)
        _blank(device, target.size - _TABLE, target.size)
        written = _copy(image, device, progress)
        if erase:
            _blank(device, image.end, target.size, progress)
        os.fsync(device)
    except OSError as error:
        raise FlashFailed(
            f"{target.path} could not be written: {error.strerror}; nothing starts from it"
        ) from error
    if _digest(device, image.begin, image.end, progress) != written:
        raise FlashFailed(f"{target.path} does not give back what was written: do not use it")
    _make_startable(image, target, device)
    return written


def leave(image: Layout, target: Target, files: Mapping[str, bytes]) -> None:
    """Put files into `omamori/` of the boot partition, which the unit reads at its starts: `claim`, `self-test`. Raises ToolFailed, FlashFailed."""
    place = _boot(image, target)
    run(["mmd", "-D", "s", *place, "::/omamori"])
    for name, content in files.items():
        run(["mcopy", "-D", "o", *place, "-", f"::/omamori/{name}"], give=content)


def _boot(image: Layout, target: Target) -> list[str]:
    """The boot partition, as mtools are told of it. Raises FlashFailed where there is none."""
    boot = next((each for each in image.partitions if each.name == _BOOT), None)
    if boot is None:
        raise FlashFailed(f"{image.path.name} has no boot partition")
    return ["-i", f"{target.path}@@{boot.start}"]


def check(image: Layout, target: Target, device: int, progress: Progress) -> tuple[str, tuple[str, ...]]:
    """Compare a disk that nothing started from yet: the image's SHA-256, and the partitions that could not be compared.

    Those are none, or the boot partition where something was left on it. Raises FlashFailed naming what differs.
    """
    if _table(target) != image.partitions:
        raise FlashFailed(f"{target.path} has other partitions than {image.path.name}")
    whole, different = hashlib.sha256(), []
    with image.path.open("rb") as source:
        for name, begin, end in _spans(image):
            wanted = _digest(source.fileno(), begin, end, progress, whole.update)
            if _digest(device, begin, end, progress) != wanted:
                different.append(name)
    if different and not (different == [_BOOT] and _was_left(image, target)):
        raise FlashFailed(f"{target.path} does not hold what is in {image.path.name}: {', '.join(different)}")
    return whole.hexdigest(), tuple(different)


def _spans(image: Layout) -> Iterator[tuple[str, int, int]]:
    """All of the image from its begin to its end: partitions by name, and what lies between them."""
    at = image.begin
    for each in sorted(image.partitions, key=lambda part: part.start):
        if each.start > at:
            yield "between partitions", at, each.start
        end = each.start + each.size
        if end > at:
            yield each.name, max(at, each.start), end
            at = end
    if image.end > at:
        yield "behind the partitions", at, image.end


def _was_left(image: Layout, target: Target) -> bool:
    """Whether there is anything in the folder that `leave` makes."""
    try:
        run(["mdir", "-b", *_boot(image, target), "::/omamori/*"], timeout=60)
    except ToolFailed:
        return False
    return True


def _digest(descriptor: int, begin: int, end: int, progress: Progress, also: Taken = lambda _: None) -> str:
    """SHA-256 of what lies there. Raises FlashFailed where it cannot be read."""
    hashed = hashlib.sha256()

    def take(view: memoryview) -> None:
        hashed.update(view)
        also(view)
        progress(len(view))

    try:
        _read(descriptor, begin, end, take)
    except OSError as error:
        raise FlashFailed(f"it could not be read back: {error.strerror}") from error
    return hashed.hexdigest()


def _copy(image: Layout, device: int, progress: Progress) -> str:
    hashed = hashlib.sha256()
    with image.path.open("rb") as source:
        for begin, end, filled in _pieces(source.fileno(), image.begin, image.end):
            if filled:
                _copy_piece(source.fileno(), device, begin, end, hashed.update, progress)
            else:
                _blank(device, begin, end, progress)
                for at in range(begin, end, _CHUNK):
                    hashed.update(_ZEROS[: end - at])
    return hashed.hexdigest()


def _copy_piece(source: int, device: int, begin: int, end: int, hashing: Taken, progress: Progress) -> None:
    at = begin

    def take(view: memoryview) -> None:
        nonlocal at
        hashing(view)
        _put(device, view, at)
        at += len(view)
        progress(len(view))

    _read(source, begin, end, take)


def _pieces(source: int, begin: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Begin, end and whether anything was written there; holes need not be read (lseek(2))."""
    at = begin
    while at < end:
        try:
            data = min(os.lseek(source, at, os.SEEK_DATA), end)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            data = end
        data -= data % _ALIGNMENT
        if data > at:
            yield at, data, False
        at = data
        if at < end:
            hole = min(-(-os.lseek(source, max(at, begin), os.SEEK_HOLE) // _ALIGNMENT) * _ALIGNMENT, end)
            yield at, hole, True
            at = hole


def _read(descriptor: int, begin: int, end: int, take: Taken) -> None:
    """Through a page-aligned buffer, as O_DIRECT wants it."""
    with mmap.mmap(-1, _CHUNK) as room, memoryview(room) as view:
        at = begin
        while at < end:
            wanted = min(_CHUNK, end - at)
            with view[:wanted] as part:
                got = os.preadv(descriptor, [part], at)
            if not got:
                raise OSError(errno.EIO, "it ends too early")
            with view[:got] as part:
                take(part)
            at += got


def _put(device: int, view: memoryview, at: int) -> None:
    done = 0
    while done < len(view):
        with view[done:] as part:
            went = os.pwritev(device, [part], at + done)
        if not went:
            raise OSError(errno.EIO, "it takes no more")
        done += went


def _blank(device: int, begin: int, end: int, progress: Progress = lambda _: None) -> None:
    """Zeros, by the disk's own means where it has any."""
    for at in range(begin, end, _BLANK):
        length = min(_BLANK, end - at)
        fcntl.ioctl(device, _BLKZEROOUT, struct.pack("=QQ", at, length))
        progress(length)


def _make_startable(image: Layout, target: Target, device: int) -> None:
    """The table, and the kernel told. Raises ImageError, and then there is none again."""
    try:
        _write_table(image, target, device)
    except ImageError:
        with contextlib.suppress(OSError):
            _blank(device, 0, image.begin)
        raise
    with contextlib.suppress(OSError):  # this kernel may read no partitions; the unit's does
        fcntl.ioctl(device, _BLKRRPART)


def _write_table(image: Layout, target: Target, device: int) -> None:
    """With its second copy at the end of this disk."""
    relocate = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--relocate", "gpt-bak-std"]
    try:
        with image.path.open("rb") as source:
            _copy_piece(source.fileno(), device, 0, image.begin, lambda _: None, lambda _: None)
        os.fsync(device)
        run([*relocate, target.path], timeout=60)
        os.fsync(device)
    except OSError as error:
        raise FlashFailed(f"the partition table could not be written: {error.strerror}") from error
    if _table(target) != image.partitions:
        raise FlashFailed(f"{target.path} does not give back its partition table: do not use it")


def _table(target: Target) -> tuple[Partition, ...]:
    """The partitions that any other program reads there. Raises FlashFailed."""
    try:
        prove_both_tables(target.path, target.size)
        return tuple(partitions(target.path))
    except (OSError, EvidenceError) as error:
        raise FlashFailed(f"{target.path} has no whole partition table: {error}") from error
