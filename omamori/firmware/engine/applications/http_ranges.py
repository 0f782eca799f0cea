"""Parts of a file that a server sends each by itself (RFC 9110, 14): which ones follow each other, so that they are scanned as one file.

Parts that go another way (other connections, another order) are not put together: that a file came in parts is noted.
"""

import re
from dataclasses import dataclass

from omamori.firmware.engine.applications.http_exchange import Exchange
from omamori.firmware.engine.applications.layer import Content, Event, Unscanned

_PARTIAL = 206
_RANGE = re.compile(rb"bytes[ \t]+(\d{1,15})-(\d{1,15})/(?:(\d{1,15})|\*)", re.IGNORECASE)
NOTE = Unscanned(to_server=False, why="part of a file")


@dataclass(frozen=True, slots=True)
class Part:
    """Of a file, and not all of it."""

    file: tuple[bytes, bytes]
    """Host and target that were asked for."""
    transaction: int
    begin: int
    end: int
    """Index after the last byte; not above `begin` where the server did not say it so that it can be read."""
    size: int | None
    """Of the whole file, where it is known."""

    @property
    def lacks_beginning(self) -> bool:
        return self.begin > 0 or self.end <= self.begin

    def goes_on_in(self, after: "Part") -> bool:
        return self.file == after.file and self.end == after.begin and self.size == after.size

    def awaits(self, sent: int) -> bool:
        """All of it was sent, so many bytes, and more of the file may come."""
        return sent == self.end - self.begin and self.end != self.size

    def ends(self, sent: int) -> bool:
        """All of it was sent, and the file ends with it."""
        return sent == self.end - self.begin and self.end == self.size

    def given_up(self) -> list[Event]:
        """What was awaited does not come."""
        return [Content(self.transaction, False, 0, 0, b"", True, 0, first=False, last=True), NOTE]


def part_of(exchange: Exchange, *, placed: bool) -> Part | None:
    """What the response brings, if it is not a whole file. `placed`: its bytes are those of the file, in their order."""
    request, response = exchange.request, exchange.response
    if response is None or response.status != _PARTIAL:
        return None
    file = (request.host, request.target) if request is not None else (b"", b"")
    stated = _RANGE.match(response.get(b"content-range") or b"")
    if stated is None:
        return Part(file, exchange.number, 0, 0, None)
    begin, end, size = int(stated[1]), int(stated[2]) + 1, int(stated[3]) if stated[3] else None
    if (begin, end) == (0, size):
        return None
    return (
        Part(file, exchange.number, begin, end, size) if placed else Part(file, exchange.number, 0, 0, None)
    )
