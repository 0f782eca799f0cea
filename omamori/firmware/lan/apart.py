"""Pairs of hosts that an operator has set apart: from the fleet's `want.json` into our own `apart.json`, which outlives it.

The fleet's list is the whole list: a pair that is not in it any more may be concluded to be one device again. What cannot be
read, or is no pair, changes nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.host.paths import Paths
from omamori.protocol import wire
from omamori.protocol.errors import ProtocolError
from omamori.protocol.ids import Mac
from omamori.protocol.messages import MAX_APART, Want, decode

Pairs = frozenset[frozenset[Mac]]
_CAP: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Shape:
    apart: tuple[tuple[Mac, ...], ...] = ()


class ApartFile:
    """`look` is cheap where nothing changed: call it with every look at the ports."""

    def __init__(self, paths: Paths) -> None:
        self._want, self._file = paths.want, paths.state / "lan/apart.json"
        self._seen: tuple[int, int] | None = None

    def stored(self) -> Pairs:
        """What was kept; nothing where there is no such file."""
        try:
            value = wire.load(files.read_capped(self._file, cap=_CAP), cap=_CAP)
            return _pairs(wire.from_wire(_Shape, value).apart)
        except (OSError, ProtocolError):
            return frozenset()

    def look(self, held: Pairs) -> Pairs:
        """What holds from now on; a new list is kept first. Raises OSError where it cannot be, and then tries again."""
        stamp = _stamp(self._want)
        if stamp is None or stamp == self._seen:
            return held
        try:
            wanted = _pairs(decode(Want, files.read_capped(self._want)).apart)
        except (OSError, ProtocolError):
            return held
        if wanted != held:
            listed = sorted(sorted(pair) for pair in wanted)
            files.write_atomic(self._file, wire.dump({"apart": listed}), durable=True)
        self._seen = stamp
        return wanted


def _pairs(listed: tuple[tuple[Mac, ...], ...]) -> Pairs:
    pairs = (frozenset(pair) for pair in listed[: 2 * MAX_APART])
    return frozenset(pair for pair in pairs if len(pair) == 2)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns
