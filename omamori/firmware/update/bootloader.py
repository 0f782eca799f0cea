"""The boot loader lies on the boot partition twice, so that bits turned in one copy do not keep a unit from starting (decision 0040).

A machine's firmware starts `EFI/BOOT/BOOT<ARCH>.EFI` of a disk it does not know. The unit tells it of another copy by a load option
(UEFI 2.10, section 3.1), which it tries before that. The boot loader says which of them it was started from (`LoaderImageIdentifier`,
systemd.io/BOOT_LOADER_INTERFACE); `loader.sha256` beside the first says what both ought to be. One copy is written at a time. What the boot loader is told is `loader`'s.
"""

import contextlib
import hashlib
import itertools
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from uuid import UUID

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.firmware.update import loader
from omamori.firmware.update.errors import BadBundle, SlotProblem

DESCRIPTION: Final = "Omamori"
"""Of the load option, as a technician sees it in a machine's menu."""
GLOBAL: Final = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
"""The vendor of the firmware's own variables."""
CAP: Final = 4 * 1024 * 1024
"""Bytes of a boot loader; systemd's has some 130,000."""
_STARTED: Final = re.compile(
    r"\\EFI\\(?:systemd\\systemd-boot|(BOOT)\\BOOT)([a-z0-9]{2,12})\.efi", re.ASCII | re.IGNORECASE
)
_SUM: Final = re.compile(rb"([0-9a-f]{64})\n(?:([0-9a-f]{64})\n)?")
_ACTIVE: Final = 1
_PARTITION: Final = "esp"
_OPTION: Final = re.compile(rf"Boot([0-9A-F]{{4}})-{GLOBAL}")


@dataclass(frozen=True, slots=True)
class Copies:
    """Both, of the kind this machine started; `second` is the one that firmware finds by itself."""

    first: Path
    second: Path
    from_second: bool
    """Which of them this boot began with."""

    @property
    def sum(self) -> Path:
        """What both ought to be: a SHA-256 in hexadecimal and a line feed. In a second line what they were, while the first is only tried."""
        return self.first.with_name("loader.sha256")

    @property
    def started(self) -> Path:
        """It works."""
        return self.second if self.from_second else self.first

    @property
    def other(self) -> Path:
        """Not tried, or refused."""
        return self.first if self.from_second else self.second


def copies(paths: Paths) -> Copies | None:
    """None on a machine that was started without our boot loader."""
    found = _STARTED.fullmatch(_text(paths, "LoaderImageIdentifier"))
    if found is None:
        return None
    programs, kind = paths.root / "efi/EFI", found[2].lower()
    return Copies(
        programs / f"systemd/systemd-boot{kind}.efi",
        programs / f"BOOT/BOOT{kind.upper()}.EFI",
        from_second=bool(found[1]),
    )


def bring(paths: Paths, source: IO[bytes]) -> None:
    """Another boot loader, for the first copy, to be tried at the next start alone (`BootNext`): until one that began with it was healthy
    the second stays, and is what firmware starts. Nothing where the second may be damaged, or the firmware cannot be told so. Raises UpdateError.
    """
    held = copies(paths)
    content = source.read(CAP + 1)
    if len(content) > CAP or content[:2] != b"MZ":
        raise BadBundle("what it brings is no boot loader")
    if held is None or content == (first := _content(held.first)):
        return
    proven = held.from_second or _is_next(paths) or _content(held.second) == first
    if not proven:
        return
    with contextlib.suppress(OSError):
        if _try_once(paths, held):
            _write(held.sum, f"{_digest(content)}\n{_digest(_content(held.second))}\n".encode())
            _write(held.first, content)


def mend(paths: Paths, say: Callable[[str, str], None]) -> None:
    """After a healthy start: make both copies the same, and see that the firmware knows the first. Raises SlotProblem."""
    held = copies(paths)
    if held is None or _is_next(paths):  # the first copy is another one than this start began with
        return
    try:
        if _mend(held, say):
            _name_first(paths, held)
    except OSError as error:
        raise SlotProblem(f"cannot name the boot loader to the firmware: {error.strerror}") from error


def _mend(held: Copies, say: Callable[[str, str], None]) -> bool:
    """Make both what this start began with, or what is right where that is known to be another. False where it is not known."""
    content = {path: _content(path) for path in (held.first, held.second)}
    sums = {path: _digest(each) for path, each in content.items()}
    ought, before = _recorded(held)
    right, level, why = held.started, "warning", "a copy of the boot loader was not what it should be"
    if before and sums[held.first] == ought:  # an update's
        if held.from_second and sums[held.second] != before:
            say("warning", "neither an update's boot loader nor the one before is right: left as they are")
            return False
        why = "an update's boot loader did not start, or its version was not kept: the one before stays"
        if not held.from_second:
            level, why = "info", "an update's boot loader has started"
    elif ought == sums[held.other]:  # bits of the one that was started turned since
        right = held.other
    wrong = held.first if right is held.second else held.second
    if content[right][:2] != b"MZ":
        raise SlotProblem(f"{right.name} is no boot loader")
    if sums[wrong] != sums[right]:
        _write(wrong, content[right])
        say(level, f"{why}: {wrong.name} is now the same as {right.name}")
    if (ought, before) != (sums[right], ""):
        _write(held.sum, f"{sums[right]}\n".encode())
    return True


def _recorded(held: Copies) -> tuple[str, str]:
    """What both ought to be, and what they were while that is only tried; empty where it cannot be read."""
    with contextlib.suppress(OSError):
        if found := _SUM.fullmatch(files.read_capped(held.sum, cap=256)):
            return found[1].decode(), (found[2] or b"").decode()
    return "", ""


def _content(path: Path) -> bytes:
    """From the medium, as far as the kernel lets go of its copy; empty where it cannot be read."""
    with contextlib.suppress(OSError), path.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return opened.read(CAP)
    return b""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Under another name first, read back, and then in its place."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(exist_ok=True)
        with partial.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        if _content(partial) != content:
            raise SlotProblem("the boot partition does not keep what is written to it")
        partial.replace(path)
        files.sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise SlotProblem(f"cannot write {path.name} to the boot partition: {error.strerror}") from error


# --- the firmware's variables


def _name_first(paths: Paths, held: Copies) -> None:
    """One load option of ours, in the order of those to try; at its head where it was not in it. Raises OSError."""
    wanted, order = _load_option(paths, held), _order(paths)
    if wanted is None or any(_variable(paths, _named(number)).startswith(wanted) for number in order):
        return
    number = _number(paths)
    _set(paths, _named(number), wanted)
    _reorder(paths, [number, *(each for each in order if each != number)])


def _is_next(paths: Paths) -> bool:
    """The firmware takes this back as it starts."""
    return _variable(paths, "BootNext") == struct.pack("<H", _number(paths))


def _try_once(paths: Paths, held: Copies) -> bool:
    """The option is out of the order, and is what the next start begins with. False where it cannot be made. Raises OSError."""
    wanted = _load_option(paths, held)
    if wanted is None:
        return False
    number = _number(paths)
    _set(paths, _named(number), wanted)
    _reorder(paths, [each for each in _order(paths) if each != number])
    _set(paths, "BootNext", struct.pack("<H", number))
    return True


def _load_option(paths: Paths, held: Copies) -> bytes | None:
    """EFI_LOAD_OPTION with a device path of hard drive and file (UEFI 2.10, 3.1.3, 10.3.5.1, 10.3.5.4); None where the partition is unknown."""
    device = (paths.root / "dev/disk/by-partlabel" / _PARTITION).resolve().name
    place = paths.root / "sys/class/block" / device
    try:
        number, start, size = (int((place / name).read_text()) for name in ("partition", "start", "size"))
        identity = UUID(_text(paths, "LoaderDevicePartUUID"))
        drive = struct.pack("<IQQ16sBB", number, start, size, identity.bytes_le, 2, 2)
    except (OSError, ValueError, struct.error):
        return None
    name = f"\\EFI\\{held.first.parent.name}\\{held.first.name}\0".encode("utf-16-le")
    path = _node(4, 1, drive) + _node(4, 4, name) + _node(0x7F, 0xFF, b"")
    return struct.pack("<IH", _ACTIVE, len(path)) + f"{DESCRIPTION}\0".encode("utf-16-le") + path


def _node(kind: int, subtype: int, data: bytes) -> bytes:
    return struct.pack("<BBH", kind, subtype, 4 + len(data)) + data


def _number(paths: Paths) -> int:
    """The option that was ours before, else the first free one."""
    names = (_OPTION.fullmatch(path.name) for path in loader.variables(paths).glob(f"Boot*-{GLOBAL}"))
    taken = {int(name[1], 16): _variable(paths, f"Boot{name[1]}") for name in names if name}
    ours = f"{DESCRIPTION}\0".encode("utf-16-le")
    before = [number for number, option in taken.items() if option[6 : 6 + len(ours)] == ours]
    return min(before, default=next(number for number in itertools.count() if number not in taken))


def _named(number: int) -> str:
    return f"Boot{number:04X}"


def _order(paths: Paths) -> list[int]:
    raw = _variable(paths, "BootOrder")
    return [number for (number,) in struct.iter_unpack("<H", raw[: len(raw) & ~1])]


def _reorder(paths: Paths, order: list[int]) -> None:
    _set(paths, "BootOrder", struct.pack(f"<{len(order)}H", *order))


def _variable(paths: Paths, name: str, vendor: str = GLOBAL) -> bytes:
    """Without its attributes; empty where there is none."""
    with contextlib.suppress(OSError):
        return files.read_capped(loader.variables(paths) / f"{name}-{vendor}")[len(loader.ATTRIBUTES) :]
    return b""


def _set(paths: Paths, name: str, content: bytes) -> None:
    """In one write, as efivarfs takes it. Raises OSError."""
    with (loader.variables(paths) / f"{name}-{GLOBAL}").open("wb", buffering=0) as opened:
        opened.write(loader.ATTRIBUTES + content)


def _text(paths: Paths, name: str) -> str:
    """A variable of the boot loader's; empty where there is none."""
    return _variable(paths, name, loader.VENDOR).decode("utf-16-le", "replace").rstrip("\0")
