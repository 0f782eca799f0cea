"""Regular expressions by PCRE2, the library whose language rules are written in, with a step budget.

Bound by ctypes to the `libpcre2-8` that every Debian has. An automatic callout before each item of a pattern counts steps,
so a search ends after its budget whatever the pattern and the data are; the heap is bounded too. Only a pattern that grows
too large by callouts does without, under the library's own limit. One machine per process, not for threads.

What such a search cannot settle, the library's other matcher (`pcre2_dfa_match`) mostly can: it follows all ways through a
pattern at once, so it is linear in the data, and says only whether there is a match.
"""

import ctypes
import re
from collections.abc import Callable
from functools import cache
from typing import Any

CASELESS, MULTILINE, DOTALL, EXTENDED = 0x8, 0x400, 0x20, 0x80
ANCHORED, DOLLAR_ENDONLY, UNGREEDY = 0x8000_0000, 0x10, 0x4_0000
"""Flags of `Pattern`: PCRE2's own values."""
_ALWAYS = 0x40 | 0x1000
"""Duplicate names, never UTF: rules look at bytes."""
_COUNTED = 0x4
"""Automatic callouts."""
_TOO_LARGE = 120
_LIBRARY = "libpcre2-8.so.0"
_STOPPED = -37
"""PCRE2_ERROR_CALLOUT: our callback ends the match."""
_HEAP = 4096
"""KiB for the backtracking of one match."""
_UNSET = ctypes.c_size_t(-1).value
_LIMIT = 3500
"""Backtracking at one position of a pattern that is too large for callouts; Suricata's pcre.match-limit for all."""
_ENOUGH = 1_000_000
"""The same for all others, whose steps are counted: a limit that holds only if the library forgot to call."""
_SHORTEST = 0x80
"""PCRE2_DFA_SHORTEST: stop at the first end of a match."""
_NONE = -1
"""PCRE2_ERROR_NOMATCH; what is below says that the matcher could not tell."""
_ITEM = re.compile(
    rb"(?P<single>\\x[0-9a-fA-F]{2}|\\[dDwWsShHvVnrtfae]|\\[^0-9a-zA-Z]"
    rb"|\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\\[])+\]|[^\\\[\](){}*+?|^$])\+(?!\+)"
    rb"|\\.|\[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]|.",
    re.DOTALL,
)
_OWN_RULES = re.compile(rb"\\Q|\(\?[a-zA-Z^-]*x|\(\?#")
"""Where an item is not what it looks like: quotes, white space and comments."""
_ROOM = 300
"""Integers for the states of the other matcher, about fifty of them: 1 us a byte at worst, 35 ns for most."""


class ExpressionError(ValueError):
    """What is no regular expression: the reason, and `at`, where in the pattern."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason)
        self.at = at


class TooLargeError(ExpressionError):
    """It is one, but beyond what the library can hold."""


class _Machine:
    """The library with one match context, and the counter of steps."""

    def __init__(self) -> None:
        library = ctypes.PyDLL(_LIBRARY)
        pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
        where = ctypes.POINTER(size)
        self._compile = _function(
            library,
            "compile",
            pointer,
            ctypes.c_char_p,
            size,
            number,
            ctypes.POINTER(ctypes.c_int),
            where,
            pointer,
        )
        self.free = _function(library, "code_free", None, pointer)
        self._match = _function(
            library, "match", ctypes.c_int, pointer, ctypes.c_char_p, size, size, number, pointer, pointer
        )
        self._message = _function(
            library, "get_error_message", ctypes.c_int, ctypes.c_int, ctypes.c_char_p, size
        )
        self._follow = _function(
            library,
            "dfa_match",
            ctypes.c_int,
            pointer,
            ctypes.c_char_p,
            size,
            size,
            number,
            pointer,
            pointer,
            ctypes.POINTER(ctypes.c_int),
            size,
        )
        self._room = (ctypes.c_int * _ROOM)()
        new_context = _function(library, "match_context_create", pointer, pointer)
        self._flat = new_context(None)
        _function(library, "set_match_limit", ctypes.c_int, pointer, number)(self._flat, 1)
        self._counting, self._limited = new_context(None), new_context(None)
        for context, matches in ((self._counting, _ENOUGH), (self._limited, _LIMIT)):
            for name, limit in (("set_heap_limit", _HEAP), ("set_match_limit", matches)):
                _function(library, name, ctypes.c_int, pointer, number)(context, limit)
        callback = ctypes.PYFUNCTYPE(ctypes.c_int, pointer, pointer)
        self._callback = callback(self._step)
        _function(library, "set_callout", ctypes.c_int, pointer, callback, pointer)(
            self._counting, self._callback, None
        )
        self._matched = _function(library, "match_data_create", pointer, number, pointer)(2, None)
        self._ends = _function(library, "get_ovector_pointer", where, pointer)(self._matched)
        self.left = 0
        """Steps that the present search may still take."""
        self.stopped = False
        """The last search was ended by a limit."""

    def code(self, pattern: bytes, flags: int) -> int:
        """A compiled pattern, to be freed. Raises ExpressionError."""
        problem, at = ctypes.c_int(), ctypes.c_size_t()
        code = self._compile(pattern, len(pattern), flags, ctypes.byref(problem), ctypes.byref(at), None)
        if code:
            return int(code)
        text = ctypes.create_string_buffer(160)
        self._message(problem.value, text, len(text))
        kind = TooLargeError if problem.value == _TOO_LARGE else ExpressionError
        raise kind(text.value.decode(), at.value)

    def _step(self, _block: object, _data: object) -> int:
        self.left -= 1
        return 0 if self.left >= 0 else _STOPPED

    def search(self, code: int, data: bytes, start: int, *, counted: bool) -> tuple[int, int] | None:
        """Within the steps that are left, or under the library's own limit."""
        context = self._counting if counted else self._limited
        result = self._match(code, data, len(data), start, 0, self._matched, context)
        self.stopped = result < _NONE
        return (self._ends[0], self._ends[1]) if result >= 0 else None

    def last_end(self, code: int, data: bytes, start: int, *, any_end: bool) -> int | None:
        r"""Where the match that ends last does, or any match, where that is enough; -1 where there is none.

        None: it takes too many states, or an item that is a search of its own (look-around, recursion, atomic group) or
        that this matcher does not know (back reference, `\K`).
        """
        result = self._follow(
            code,
            data,
            len(data),
            start,
            ANCHORED | (_SHORTEST if any_end else 0),
            self._matched,
            self._flat,
            self._room,
            _ROOM,
        )
        if result < 0:
            return -1 if result == _NONE else None
        return int(self._ends[1])

    def captured(self) -> tuple[int, int] | None:
        """Where the first group of the last match lies."""
        begin, end = self._ends[2], self._ends[3]
        return (begin, end) if begin != _UNSET else None


def _function(library: ctypes.PyDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:  # noqa: ANN401 - types of ctypes
    found = getattr(library, f"pcre2_{name}_8")
    found.restype, found.argtypes = result, arguments
    return found  # type: ignore[no-any-return]  # getattr of a library is untyped


@cache
def _machine() -> _Machine:
    return _Machine()


class Pattern:
    """A compiled pattern over bytes."""

    __slots__ = ("_code", "_counted", "_machine", "stopped", "taken")

    def __init__(self, pattern: bytes, flags: int = 0) -> None:
        """Raises ExpressionError."""
        self._machine = _machine()
        self._code: int | None = None
        self.taken = 0
        """Steps of the last search."""
        self.stopped = False
        """The last search was ended by its budget or by the library: that it found nothing says nothing."""
        self._counted = True
        try:
            self._code = self._machine.code(pattern, flags | _ALWAYS | _COUNTED)
        except TooLargeError:
            self._counted = False
            self._code = self._machine.code(pattern, flags | _ALWAYS)

    def search(self, data: bytes, start: int = 0, *, budget: int) -> tuple[int, int] | None:
        """The leftmost match from index `start` on, as (begin, end); None also after `budget` steps."""
        machine = self._machine
        machine.left = budget
        found = machine.search(self._code or 0, data, start, counted=self._counted)
        self.stopped = machine.stopped
        self.taken = budget - max(machine.left, 0)
        return found

    def first_group(self, data: bytes, *, budget: int) -> bytes | None:
        """What the first group captures in the leftmost match."""
        if self.search(data, budget=budget) is None or (at := self._machine.captured()) is None:
            return None
        return data[slice(*at)]

    def __del__(self) -> None:
        if self._code:
            self._machine.free(self._code)


class Automaton:
    """A pattern whose matches are looked for from all places at once."""

    __slots__ = ("_code", "_machine")

    def __init__(self, pattern: bytes, flags: int = 0) -> None:
        """Raises ExpressionError, also for the few that cannot stand behind a wildcard (a verb such as `(*UTF)`)."""
        self._machine = _machine()
        self._code: int | None = None
        if not flags & ANCHORED:
            # An extended pattern may end with a comment, which the line end ends.
            end = b"\n)" if flags & EXTENDED else b")"
            pattern = b"(?s:.*?)(?:" + _uncounted(pattern, flags) + end
        self._code = self._machine.code(pattern, flags | _ALWAYS)

    def sees(self, data: bytes, start: int = 0, beyond: int = 0) -> bool | None:
        """Does a match begin at index `start` or later and end behind `beyond` (or anywhere, where that is 0)?

        None where this cannot be told.
        """
        end = self._machine.last_end(self._code or 0, data, start, any_end=not beyond)
        return None if end is None else end >= 0 and (end > beyond or not beyond)

    def __del__(self) -> None:
        if self._code:
            self._machine.free(self._code)


def _uncounted(pattern: bytes, flags: int) -> bytes:
    """With `xx*` for each `x+`: the matcher counts how often the latter has matched, and each count is a state."""
    if flags & EXTENDED or _OWN_RULES.search(pattern):
        return pattern
    return _ITEM.sub(lambda item: item["single"] * 2 + b"*" if item["single"] else item[0], pattern)
