"""Versions of firmware and packs, ordered.

Grammar `N.N.N` with an optional `-rc.N`; a release candidate comes before its release (Semantic Versioning 2.0.0, 11).
"""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

from omamori.protocol.errors import VersionError

_GRAMMAR = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-rc\.(0|[1-9]\d{0,5}))?", re.ASCII
)


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """An ordered version; `str()` gives the text it was parsed from."""

    major: int
    minor: int
    patch: int
    candidate: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises VersionError."""
        found = _GRAMMAR.fullmatch(text)
        if not found:
            raise VersionError(f"not a version (expected 1.2.3 or 1.2.3-rc.4): {text[:40]!r}")
        major, minor, patch, candidate = found.groups()
        return cls(int(major), int(minor), int(patch), None if candidate is None else int(candidate))

    def __str__(self) -> str:
        release = f"{self.major}.{self.minor}.{self.patch}"
        return release if self.candidate is None else f"{release}-rc.{self.candidate}"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._order() < other._order()

    def _order(self) -> tuple[int, int, int, int, int]:
        released = self.candidate is None
        return (self.major, self.minor, self.patch, int(released), self.candidate or 0)
