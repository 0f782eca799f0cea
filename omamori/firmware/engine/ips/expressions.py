"""A rule's regular expression, asked with bounded work.

Searches count steps (`pcre2.py`). Only where one was stopped before its end is a Hyperscan gate asked, which is linear in the
data: what it does not see is taken not to be there, and where it is exact and nobody asks for the position, it is the answer.
It is asked second because it is wrong sometimes: Hyperscan 5.4 does not see a slash and digits at the end of `GET /a.php?id=1&x=2 /0`.
A gate takes 3 ms to compile on average and 0.2 s at worst, once; only an expression that was stopped gets one, so neither
start nor ordinary traffic pays for them.
"""

import re
from contextlib import suppress

import hyperscan

from omamori.firmware.engine.ips import pcre2
from omamori.firmware.engine.ips.pcre2 import Pattern

BUDGET = 30_000
"""Steps of one search; 3 to 5 ms."""
RAISED = 200_000
"""Steps of a search for the place of a match that an exact gate sees; 20 to 30 ms."""
_FIRST = 10_000
"""Steps before the gate is asked, of an expression that was stopped once: it will be again."""
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

    __slots__ = ("_flags", "_gate", "_pattern", "_text", "_tried", "taken")

    def __init__(self, text: bytes, flags: int) -> None:
        self._text, self._flags = text, flags
        self._pattern = Pattern(text, flags)
        self._gate: Gate | None = None
        self._tried = False
        """A gate was asked for, whether or not there is one."""
        self.taken = 0
        """Steps of the last question."""

    def found(self, data: bytes, beyond: int = 0, *, budget: int = BUDGET) -> bool:
        """Is there a match that ends behind index `beyond` (or at all, where that is 0)?"""
        self.taken = 0
        known = self._searched(data, beyond, self._first(budget))
        if known is not None:
            return known
        seen = self._seen(data, beyond)
        if seen is None:
            return bool(self._searched(data, beyond, budget - self.taken))
        return seen

    def search(self, data: bytes, at: int = 0, *, budget: int = BUDGET) -> tuple[int, int] | None:
        """The leftmost match from index `at` on. More than `budget` is taken only where one is known to be there."""
        self.taken = 0
        match = self._step(data, at, self._first(budget))
        if match is not None or not self._pattern.stopped:
            return match
        seen = self._seen(data, at)
        if seen is False:
            return None
        return self._step(data, at, (RAISED if seen else budget) - self.taken)

    def _searched(self, data: bytes, beyond: int, budget: int) -> bool | None:
        """None where the budget ended it."""
        at, left = 0, self.taken + budget
        while at <= len(data):
            match = self._step(data, at, left - self.taken)
            if match is None:
                return None if self._pattern.stopped else False
            if match[1] > beyond or not beyond:
                return True
            at = match[0] + 1
        return False

    def _step(self, data: bytes, at: int, budget: int) -> tuple[int, int] | None:
        match = self._pattern.search(data, at, budget=max(budget, 0))
        self.taken += self._pattern.taken
        return match

    def _first(self, budget: int) -> int:
        """What to spend before the gate is asked."""
        return budget if self._gate is None else min(budget, _FIRST)

    def _seen(self, data: bytes, beyond: int) -> bool | None:
        """The gate's answer about what a search could not settle; None where it leaves that open. The first time it is made."""
        if not self._tried:
            self._tried, self._gate = True, gate(self._text, self._flags)
        if self._gate is None or not self._gate.sees(data, beyond):
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
    # Never told where matches begin (SOM_LEFTMOST), though it misses fewer of them then: `(a+)+b|^(?:x|y*)*z$` over a
    # thousand letters ends the process, seen with 5.4.12.
    prefilter = hyperscan.HS_FLAG_PREFILTER
    modes = (0, prefilter) if not flags & pcre2.DOLLAR_ENDONLY else (prefilter,)
    for mode in modes:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        try:
            database.compile(expressions=[text], ids=[0], elements=1, flags=[wanted | mode])
        except hyperscan.error:
            continue
        return Gate(database, exact=mode != prefilter)
    return None
