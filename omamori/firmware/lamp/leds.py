"""The kernel's LED class: which lamp is ours, and what it shows (Documentation/leds/leds-class.rst). Thin; a lamp that is odd is skipped."""

import contextlib
import re
from pathlib import Path
from typing import Final

from omamori.firmware.host import files
from omamori.firmware.lamp.pattern import BLINK, HURRY, pattern
from omamori.protocol.codes import Lamp

CLASS: Final = "sys/class/leds"
_OURS: Final = re.compile(r"(?:.*:)?status(?:-\d{1,2})?")
"""Names are `device:colour:function`."""


def lamps(root: Path) -> list[Path]:
    """The unit's status lamps; mostly one."""
    with contextlib.suppress(OSError):
        return sorted(path for path in (root / CLASS).iterdir() if _OURS.fullmatch(path.name))
    return []


def show(led: Path, lamp: Lamp) -> None:
    """Best the kernel can: the pattern itself, else an even blinking, else lit. Raises OSError."""
    most = _number(led / "max_brightness", 1)
    known = (
        files.read_capped(led / "trigger", cap=65_536)
        .decode("ascii", "replace")
        .replace("[", " ")
        .replace("]", " ")
        .split()
    )
    steady = not (lamp.long or lamp.short)
    if not steady and "pattern" in known:
        _set(led / "trigger", "pattern")
        _set(led / "pattern", pattern(lamp, most))
        _set(led / "repeat", "-1")
    elif not steady and "timer" in known:
        _set(led / "trigger", "timer")
        _set(led / "delay_on", str(BLINK))
        _set(led / "delay_off", str(BLINK))
    else:
        _set(led / "trigger", "none")
        _set(led / "brightness", str(most))


def hurry(led: Path) -> None:
    """Blink fast: the button is held. Raises OSError."""
    _set(led / "trigger", "timer")
    _set(led / "delay_on", str(HURRY))
    _set(led / "delay_off", str(HURRY))


def _number(path: Path, otherwise: int) -> int:
    try:
        return max(1, int(files.read_capped(path, cap=64)))
    except (OSError, ValueError):
        return otherwise


def _set(path: Path, text: str) -> None:
    """In one write, as sysfs wants it; never makes a file. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        file.write(text.encode())
