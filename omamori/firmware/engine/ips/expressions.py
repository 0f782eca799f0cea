"""A rule's regular expression, asked with bounded work.

Searches count steps (`pcre2.py`). An expression that has cost many gets a Hyperscan gate, which is linear in the data: what
the gate does not see is not searched for, and where the gate is exact and nobody asks for the position, it is the answer.
A gate takes 3 ms to compile on average and 0.2 s at worst, once; only an expression that has cost as much gets one, so neither
start nor ordinary traffic pays for them.
"""

import re
from contextlib import suppress

import hyperscan

from omamori.firmware.engine.ips import pcre2
from omamori.firmware.engine.ips.pcre2 import Pattern

BUDGET = 30_000
"""Steps of one search; 3 to 5 ms."""
_EARNED = 60_000
"""Steps of all searches after which a gate is worth its compilation."""
_HEAVY = 200
"""A gate with longer counted repeats takes too long to compile."""
_COUNTED = re.compile(rb"(?<!\\)\{(\d+),?(\d*)\}")
_FLAGS = {
    pcre2.CASELESS: hyperscan.HS_FLAG_CASELESS,
    pcre2.MULTILINE: hyperscan.HS_FLAG_MULTILINE,
    pcre2.DOTALL: hyperscan.HS_FLAG_DOTALL,
}


class Expression:
    """One pattern with flags of `pcre2`. Raises ExpressionError where it is none."""

    __slots__ = ("_flags", "_gate", "_pattern", "_spent", "_text", "taken")

    def __init__(self, text: bytes, flags: int) -> None:
        self._text, self._flags = text, flags
        self._pattern = Pattern(text, flags)
        self._gate: Gate | None = None
        self._spent = 0
        """Steps of all searches; negative once a gate was tried for."""
        self.taken = 0
        """Steps of the last question."""

    def found(self, data: bytes, beyond: int = 0, *, budget: int = BUDGET) -> bool:
        """Is there a match that ends behind index `beyond` (or at all, where that is 0)?"""
        if (known := self._seen(data, beyond)) is not None:
            return known
        taken, at = 0, 0
        while at <= len(data):
            match = self.search(data, at, budget=budget - taken)
            taken += self.taken
            if match is None or match[1] > beyond or not beyond:
                break
            at = match[0] + 1
        else:
            match = None
        self.taken = taken
        if match is None and self._pattern.stopped:
            return bool(self._seen(data, beyond))
        return match is not None

    def search(self, data: bytes, at: int = 0, *, budget: int = BUDGET) -> tuple[int, int] | None:
        """The leftmost match from index `at` on."""
        match = self._pattern.search(data, at, budget=max(budget, 0))
        self.taken = self._pattern.taken
        if self._spent >= 0:
            self._spent += self.taken
            if self._spent > _EARNED:
                self._spent = -1
                self._gate = gate(self._text, self._flags)
        return match

    def excluded(self, data: bytes) -> bool:
        """The gate says that there is no match anywhere."""
        return self._gate is not None and not self._gate.sees(data, 0)

    def _seen(self, data: bytes, beyond: int) -> bool | None:
        """The gate's answer; None where only a search can tell."""
        self.taken = 0
        if self._gate is None:
            return None
        if not self._gate.sees(data, beyond):
            return False
        return True if self._gate.exact else None


class Gate:
    """A Hyperscan database of one pattern."""

    __slots__ = ("_beyond", "_database", "exact", "seen")

    def __init__(self, database: "hyperscan.Database", *, exact: bool) -> None:
        self._database = database
        self.exact = exact
        """It sees what PCRE would match, no more."""
        self.seen = False
        self._beyond = 0

    def sees(self, data: bytes, beyond: int) -> bool:
        """A match may end behind `beyond`."""
        self.seen, self._beyond = False, beyond
        with suppress(hyperscan.ScanTerminated):
            self._database.scan(data, match_event_handler=self._on_match)
        return self.seen

    def _on_match(self, _id: int, _begin: int, end: int, _flags: int, _context: object) -> bool:
        self.seen = end > self._beyond or not self._beyond
        return self.seen


def gate(text: bytes, flags: int) -> Gate | None:
    """None where Hyperscan cannot, or not soon enough, compile it."""
    if sum(max(int(low), int(high or 0)) for low, high in _COUNTED.findall(text)) > _HEAVY:
        return None
    if flags & pcre2.EXTENDED:
        text = b"(?x)" + text + b"\n"
    if flags & pcre2.ANCHORED:
        text = rb"\A(?:" + text + b")"
    wanted = hyperscan.HS_FLAG_ALLOWEMPTY
    for ours, theirs in _FLAGS.items():
        wanted |= theirs if flags & ours else 0
    # Hyperscan's `$` also matches before a last line end, so with DOLLAR_ENDONLY it only narrows down.
    modes = (
        (0, hyperscan.HS_FLAG_PREFILTER)
        if not flags & pcre2.DOLLAR_ENDONLY
        else (hyperscan.HS_FLAG_PREFILTER,)
    )
    for mode in modes:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            database.compile(expressions=[text], ids=[0], elements=1, flags=[wanted | mode])
        except hyperscan.error:
            continue
        return Gate(database, exact=not mode)
    return None
