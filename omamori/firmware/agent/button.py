"""The activation button: any input device with one of our keys, found again when it is plugged in late.

Reading is non-blocking and bounded; a device that goes away is forgotten. Events are those of linux/input.h, 64-bit.
"""

import contextlib
import os
import re
from collections.abc import Collection
from pathlib import Path
from struct import Struct
from typing import Final

KEYS: Final = {148: "KEY_PROG1", 408: "KEY_RESTART", 529: "KEY_WPS_BUTTON", 88: "KEY_F12"}
"""What a button may send (linux/input-event-codes.h). F12 is for a keyboard, also the one that QEMU has."""
_EVENT: Final = Struct("@llHHi")
"""struct input_event: seconds, microseconds, type, code, value."""
_EV_KEY: Final = 1
_PRESSED: Final = 1
_READ: Final = 64 * _EVENT.size


class KeyReader:
    """Takes the bytes of one device as they come; gives the codes of keys that went down."""

    def __init__(self) -> None:
        self._rest = b""
        self.down: set[int] = set()
        """Keys that are down now."""

    def feed(self, data: bytes) -> list[int]:
        """An event may come in pieces; what follows the last whole one is kept."""
        data = self._rest + data
        whole = len(data) - len(data) % _EVENT.size
        self._rest = data[whole:]
        keys = [
            (code, value) for _, _, kind, code, value in _EVENT.iter_unpack(data[:whole]) if kind == _EV_KEY
        ]
        for code, value in keys:
            if value:
                self.down.add(code)
            else:
                self.down.discard(code)
        return [code for code, value in keys if value == _PRESSED]


def devices_with(listing: str, codes: Collection[int]) -> list[str]:
    """Names (`event3`) of the devices in `/proc/bus/input/devices` that have one of these keys."""
    found = []
    for block in listing.split("\n\n"):
        handler = re.search(r"^H: Handlers=.*?\b(event\d{1,5})\b", block, re.MULTILINE)
        keys = re.search(r"^B: KEY=([0-9a-f ]{1,2000})$", block, re.MULTILINE)
        if handler and keys and any(_has(keys[1].split(), code) for code in codes):
            found.append(handler[1])
    return found


class Button:
    """Watches all devices with our keys below `root` (`/` on a unit)."""

    def __init__(self, root: Path, codes: Collection[int] = tuple(KEYS)) -> None:
        self._root, self._codes = root, frozenset(codes)
        self._open: dict[str, tuple[int, KeyReader]] = {}

    def pressed(self) -> bool:
        """Whether one of our keys went down since the last call. Call it a few times a second."""
        return self.presses() > 0

    def presses(self) -> int:
        """How often one of our keys went down since the last call."""
        return sum(self._read(name) for name in list(self._open))

    def held(self) -> bool:
        """Whether one of our keys is down, by what was read last."""
        return any(self._codes & reader.down for _, reader in self._open.values())

    def rescan(self) -> None:
        """Open devices that have come; call it now and then."""
        with contextlib.suppress(OSError):
            listing = (self._root / "proc/bus/input/devices").read_text("utf-8", "replace")
            for name in devices_with(listing, self._codes):
                if name not in self._open:
                    self._add(name)

    def names(self) -> list[str]:
        """The devices watched now."""
        return sorted(self._open)

    def close(self) -> None:
        """Let go of all devices."""
        for name in list(self._open):
            self._drop(name)

    def _add(self, name: str) -> None:
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            self._open[name] = os.open(self._root / "dev/input" / name, flags), KeyReader()

    def _read(self, name: str) -> int:
        descriptor, reader = self._open[name]
        try:
            return sum(code in self._codes for code in reader.feed(os.read(descriptor, _READ)))
        except BlockingIOError:
            return 0
        except OSError:
            self._drop(name)
            return 0

    def _drop(self, name: str) -> None:
        os.close(self._open.pop(name)[0])


def _has(words: list[str], code: int) -> bool:
    """The bitmap is printed in words of 64 bits, the highest first, without leading zeros."""
    index = len(words) - 1 - code // 64
    return index >= 0 and len(words[index]) <= 16 and bool(int(words[index], 16) >> (code % 64) & 1)
