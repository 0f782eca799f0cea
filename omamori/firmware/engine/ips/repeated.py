"""Candidates by those buffers of a message that are the same in message after message: method, host, user agent and their like.

A browser sends them alike hundreds of times. So they are looked at together, once: the literals that are in them, and of the
rules found so (or that no literal stands for) those that these very values do not already rule out. Bounded; what is long
is not remembered.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeAlias

from omamori.firmware.engine.inspection import Inspection, Kept
from omamori.firmware.engine.ips.encodings import transformed
from omamori.firmware.engine.ips.prefilter import Prefilter
from omamori.firmware.engine.ips.unfiltered import BufferIndex
from omamori.firmware.engine.ips.views import Views

NAMES: Final = frozenset(
    (
        "http.method", "http.protocol", "http.host", "http.host.raw", "http.header_names", "http.user_agent", "http.accept",
        "http.accept_enc", "http.accept_lang", "http.connection", "http.content_type", "http.stat_code", "http.stat_msg",
        "http.response_line", "http.server",
    )
)  # fmt: skip
"""Of a URL, a cookie or a date that would be in vain."""
_REMEMBERED: Final = 1024
_FEW: Final = 16
"""Of those with the same fields, which differ by method and host."""
_LONGEST: Final = 2048
Groups: TypeAlias = Mapping[str, Sequence[tuple[tuple[tuple[str, str], ...], Prefilter]]]
_Values: TypeAlias = tuple[tuple[str, ...], tuple[tuple[bytes, ...], ...]]
"""Which buffers there are, and what is in them."""
_Found: TypeAlias = tuple[frozenset[int], frozenset[int]]
"""Rules that may match, and those of them of which nothing else has to be looked at."""
_ORDER: Final = tuple(sorted(NAMES))


def beside(there: Collection[str], kept: Collection[str]) -> tuple[str, ...]:
    """Which of a message's buffers these are, where some are `kept` as one object: in an order of their own."""
    return tuple(name for name in _ORDER if name in there and name not in kept)


class Repeated:
    """What was found for each combination of values."""

    __slots__ = ("_groups", "_known", "_lone", "_possible")

    def __init__(
        self,
        groups: Groups,
        lone: Mapping[str, BufferIndex],
        possible: Callable[[int, Views, frozenset[str]], bool | None],
    ) -> None:
        """`possible` says whether a rule can match, as far as the buffers of these names tell; None: they do not tell all."""
        self._groups, self._lone = groups, lone
        self._possible = possible
        self._known: dict[_Values, _Found] = {}

    def candidates(self, inspection: Inspection, names: tuple[str, ...], into: set[int]) -> frozenset[int]:
        """Adds to `into`; those of them whose buffers are known to match. `names` is what `beside` said of this message."""
        # Also buffers that no literal is sought in: whether they are there may rule something out.
        kept = inspection.kept
        table = self._known if kept is None else self._kept(kept)
        key = (names, tuple(map(tuple, map(inspection.buffers.__getitem__, names))))
        known = table.get(key)
        if known is None:
            known = self._found(inspection)
            if sum(len(value) for each in key[1] for value in each) <= _LONGEST:
                if len(table) >= (_REMEMBERED if kept is None else _FEW):
                    table.clear()
                table[key] = known
        into.update(known[0])
        return known[1]

    def _kept(self, kept: Kept) -> dict[_Values, _Found]:
        """What was found together with these buffers."""
        whose, table = kept.rule_memory
        if whose is not self:
            table = {}
            kept.rule_memory = (self, table)
        return table

    def _found(self, inspection: Inspection) -> _Found:
        found: set[int] = set()
        names = NAMES | inspection.kept.names if inspection.kept is not None else NAMES
        for name, values in inspection.buffers.items():
            if name not in names:
                continue
            for transforms, group in self._groups.get(name, ()):
                for value in values:
                    group.candidates(transformed(bytes(value), transforms) if transforms else value, found)
            if name in self._lone:
                self._lone[name].candidates(values, found)
        views = Views(inspection)
        judged = {number: self._possible(number, views, names) for number in found}
        told = frozenset(number for number, word in judged.items() if word)
        return frozenset(number for number, word in judged.items() if word is not False), told
