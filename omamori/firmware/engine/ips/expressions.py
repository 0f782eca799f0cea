"""A rule's regular expression, asked with bounded work.

Searches count steps (`pcre2.py`). Where one was stopped before its end, the pattern's automaton is asked, which is linear in
the data: what it does not see is not there; what it sees is the answer, or searched for at more cost where the place matters.
What it cannot tell either is searched for within the rest of the budget.
"""

from omamori.firmware.engine.ips.pcre2 import Automaton, ExpressionError, Pattern

BUDGET = 30_000
"""Steps of one search; 3 to 5 ms."""
RAISED = 200_000
"""Steps of a search for the place of a match that an automaton sees; 20 to 30 ms."""
_FIRST = 10_000
"""Steps before the automaton is asked."""
_PER_STEP = 4
"""Bytes that an automaton takes for the price of a step. Most take less, the worst ten times that."""


class Expression:
    """One pattern with flags of `pcre2`. Raises ExpressionError where it is none."""

    __slots__ = ("_automaton", "_flags", "_pattern", "_text", "_tried", "taken")

    def __init__(self, text: bytes, flags: int) -> None:
        self._text, self._flags = text, flags
        self._pattern = Pattern(text, flags)
        self._automaton: Automaton | None = None
        self._tried = False
        """An automaton was asked for, whether or not there is one."""
        self.taken = 0
        """Steps of the last question."""

    def found(self, data: bytes, beyond: int = 0, *, budget: int = BUDGET) -> bool:
        """Is there a match that ends behind index `beyond` (or at all, where that is 0)?"""
        self.taken = 0
        known = self._searched(data, beyond, min(budget, _FIRST))
        if known is None:
            known = self._seen(data, 0, beyond, budget)
        if known is None:
            known = self._searched(data, beyond, budget)
        return bool(known)

    def search(self, data: bytes, at: int = 0, *, budget: int = BUDGET) -> tuple[int, int] | None:
        """The leftmost match from index `at` on. More than `budget` is taken only where one is known to be there."""
        self.taken = 0
        match = self._step(data, at, min(budget, _FIRST))
        if match is not None or not self._pattern.stopped:
            return match
        seen = self._seen(data, at, 0, budget)
        if seen is False:
            return None
        return self._step(data, at, RAISED if seen else budget)

    def _searched(self, data: bytes, beyond: int, budget: int) -> bool | None:
        """None where the budget ended it."""
        at = 0
        while at <= len(data):
            match = self._step(data, at, budget)
            if match is None:
                return None if self._pattern.stopped else False
            if match[1] > beyond or not beyond:
                return True
            at = match[0] + 1
        return False

    def _step(self, data: bytes, at: int, budget: int) -> tuple[int, int] | None:
        """Within what earlier steps of this question have left of the budget."""
        match = self._pattern.search(data, at, budget=max(budget - self.taken, 0))
        self.taken += self._pattern.taken
        return match

    def _seen(self, data: bytes, at: int, beyond: int, budget: int) -> bool | None:
        """The automaton's answer about what a search could not settle; None where it has none within the budget."""
        price = (len(data) - at) // _PER_STEP
        if self.taken + price > budget:
            return None
        if not self._tried:
            self._tried = True
            try:
                self._automaton = Automaton(self._text, self._flags)
            except ExpressionError:
                return None
        if self._automaton is None:
            return None
        self.taken += price
        return self._automaton.sees(data, at, beyond)
