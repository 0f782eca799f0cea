"""Usage summed up by host and subject over a period, in bounded memory, and as messages of bounded size.

A cell is one host, one application, one category. Where there is no room for another cell, its traffic is added to the
host's unnamed cell, and where there is none for another host, to that of no host: counts are folded, never dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from omamori.protocol.messages import Usage, UsageHost, UsageSubject

MESSAGE_BYTES = 48_000
"""What the tables and rows of one message may come to; the envelope and marks beside it are short."""
_PER_HOST = 150
"""Bytes of a host in the table, with the name that the agent adds; a longer one is cut there."""
_PER_SUBJECT = 40
_COUNTS = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """What was used; both empty where that has no name."""

    application: str = ""
    category: str = ""


NAMELESS = Subject()


@dataclass(frozen=True, slots=True)
class Amount:
    """Traffic to be added."""

    flows: int = 0
    sent: int = 0
    """Bytes from the host."""
    received: int = 0
    blocked: int = 0
    """Flows, of `flows`."""


@dataclass(frozen=True, slots=True)
class Room:
    """The bounds of a period."""

    cells: int = 20_000
    hosts: int = 1_000


class Tally:
    """The sums of the present period."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()
        self._cells: dict[tuple[str, Subject], list[int]] = {}
        self._hosts: set[str] = set()
        self._folded = 0

    def __len__(self) -> int:
        return len(self._cells)

    def add(self, host: str, subject: Subject, amount: Amount) -> None:
        """`host` is its address as text; empty where no inside host is known."""
        counts = self._cell(host, subject, amount.flows)
        parts = (amount.flows, amount.sent, amount.received, amount.blocked)
        for place, number in enumerate(parts):
            counts[place] += number

    def take(self, start: datetime, seconds: int, *, missed: int = 0) -> list[Usage]:
        """The period as messages, and begin anew. None where there was no traffic and nothing was missed."""
        cells, self._cells = self._cells, {}
        folded, self._folded = self._folded, 0
        self._hosts = set()
        found = [_message(start, seconds, part) for part in _parts(sorted(cells.items(), key=_order))]
        if missed and not found:
            found = [Usage(start, seconds)]
        return [_with_losses(message, number, folded, missed) for number, message in enumerate(found)]

    def _cell(self, host: str, subject: Subject, flows: int) -> list[int]:
        wanted = (host, subject)
        found = self._cells.get(wanted)
        if found is not None:
            return found
        if host not in self._hosts and len(self._hosts) >= self._room.hosts:
            wanted = ("", NAMELESS)
        elif len(self._cells) >= self._room.cells:
            wanted = (host, NAMELESS) if (host, NAMELESS) in self._cells else ("", NAMELESS)
        if wanted != (host, subject):
            self._folded += flows
        self._hosts.add(wanted[0])
        return self._cells.setdefault(wanted, [0] * _COUNTS)


_Cell = tuple[tuple[str, Subject], list[int]]


def _order(cell: _Cell) -> tuple[str, str, str]:
    (host, subject), _ = cell
    return host, subject.application, subject.category


def _parts(cells: list[_Cell]) -> Iterator[list[_Cell]]:
    """As many cells as fit one message, and so on."""
    part: list[_Cell] = []
    known: set[str | Subject] = set()
    room = MESSAGE_BYTES
    for cell in cells:
        cost = _cost(cell, known)
        if part and cost > room:
            yield part
            part, room = [], MESSAGE_BYTES
            known.clear()
            cost = _cost(cell, known)
        part.append(cell)
        known.update(cell[0])
        room -= cost
    if part:
        yield part


def _cost(cell: _Cell, known: set[str | Subject]) -> int:
    """Bytes of its row, and of its host and subject where the message has them not yet; at most, not exactly."""
    (host, subject), counts = cell
    size = 14 + sum(len(str(count)) + 1 for count in counts)
    if host not in known:
        size += _PER_HOST + len(host)
    if subject not in known:
        size += _PER_SUBJECT + len(subject.application.encode()) + len(subject.category.encode())
    return size


def _message(start: datetime, seconds: int, cells: list[_Cell]) -> Usage:
    hosts: dict[str, int] = {}
    subjects: dict[Subject, int] = {}
    rows = tuple(
        (
            hosts.setdefault(host, len(hosts)),
            subjects.setdefault(subject, len(subjects)),
            *(counts if counts[-1] else counts[:-1]),
        )
        for (host, subject), counts in cells
    )
    named = tuple(UsageSubject(each.application, each.category) for each in subjects)
    return Usage(start, seconds, tuple(UsageHost(host) for host in hosts), named, rows)


def _with_losses(message: Usage, number: int, folded: int, missed: int) -> Usage:
    """Told once, in the first message of a period."""
    if number:
        return message
    return Usage(
        message.start, message.seconds, message.hosts, message.subjects, message.rows, folded, missed
    )
