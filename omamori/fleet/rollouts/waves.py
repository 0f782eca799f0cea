"""Whether the next wave of a firmware may be opened: the ones before it are its trial. Decided purely from what they say.

A pack has canaries and an alarm of its own. A firmware that fails falls back by itself, one unit at a time; nothing else
would keep one that is bad from being tried by everybody.
"""

from typing import Final

FAILED_SHARE: Final = 0.05
"""Of the units that came to an end with it."""


def held(asked: int, done: int, failed: int) -> str:
    """Why the next wave is not opened; empty where it may be. Of the waves that are open: units asked, that run it, that refused it or went back."""
    if not asked:
        return "none of its units is still asked for it"
    if not done:
        return f"none of the {asked} units that were asked so far runs it yet"
    if failed > (done + failed) * FAILED_SHARE:
        return f"{failed} of {done + failed} units failed with it"
    return ""
