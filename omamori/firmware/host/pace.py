"""How slow this machine is: what takes a moment on the smallest product hardware may take seconds under an emulator."""

import time
from typing import Final

_ROUNDS: Final = 100_000
_USUAL: Final = 0.020
"""Seconds that the rounds take at most on hardware the product is sold on."""
_MOST: Final = 8.0


def slowness() -> float:
    """1 on any real machine, more where one is slower still; the best of three tries, of processor time."""
    return min(_MOST, max(1.0, min(_took() for _ in range(3)) / _USUAL))


def _took() -> float:
    begun = time.process_time()
    total = 0
    for number in range(_ROUNDS):
        total += number & 7
    return time.process_time() - begun
