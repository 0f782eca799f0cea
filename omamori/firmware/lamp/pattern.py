"""From the table of codes to what the kernel blinks (Documentation/ABI/testing/sysfs-class-led-trigger-pattern). Pure."""

from typing import Final

from omamori.protocol.codes import Lamp

LONG, SHORT, BETWEEN, PAUSE = 1200, 300, 300, 2000
"""Milliseconds lit, lit, dark between two blinks, and dark before it begins again."""
BLINK: Final = 500
"""On and off where the kernel can blink evenly only."""

HURRY: Final = 100
"""On and off while the button is held."""


def pattern(lamp: Lamp, brightness: int) -> str:
    """Pairs of brightness and milliseconds; the kernel fades between two, so each step is followed by one of no length."""
    lit = [LONG] * lamp.long + [SHORT] * lamp.short
    if not lit:
        return f"{brightness} 1000 {brightness} 1000"
    steps = [step for each in lit for step in ((brightness, each), (0, BETWEEN))]
    steps[-1] = (0, PAUSE)
    return " ".join(f"{level} {length} {level} 0" for level, length in steps)
