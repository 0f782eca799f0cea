"""One direction of an HTTP/1 connection: the message under way in it."""

from collections.abc import Mapping, Sequence

from omamori.firmware.engine.applications import http_body, http_coding
from omamori.firmware.engine.applications.http_exchange import Exchange
from omamori.firmware.engine.applications.http_files import BodyFiles
from omamori.firmware.engine.applications.http_head import Head
from omamori.firmware.engine.applications.http_ranges import NOTE, Part
from omamori.firmware.engine.applications.http_shown import Shown
from omamori.firmware.engine.applications.layer import NO_EVENTS, Content, Event
from omamori.firmware.engine.inspection import Kept


class Side:
    """One direction."""

    __slots__ = (
        "bodiless",
        "body",
        "buffers",
        "decoder",
        "events",
        "exchange",
        "files",
        "first",
        "head",
        "kept",
        "left_out",
        "lost",
        "old",
        "part",
        "part_awaited",
        "scanned_to",
        "shown",
    )

    def __init__(self) -> None:
        self.head = b""
        """Of a message whose empty line has not come yet."""
        self.scanned_to = 0
        self.left_out = 0
        """Bytes of that head that were not kept."""
        self.bodiless: Head | None = None
        """The head of the last response, if it should have no body."""
        self.body: http_body.Body | None = None
        self.decoder: http_coding.Decoder | None = None
        self.files: BodyFiles | None = None
        self.exchange: Exchange | None = None
        self.buffers: Mapping[str, Sequence[bytes]] = {}
        self.kept: Kept | None = None
        """Those of them that came before."""
        self.shown = Shown(0)
        self.events = NO_EVENTS
        """What is odd about the head."""
        self.old = False
        """The request under way was shown as one of HTTP/0.9."""
        self.part: Part | None = None
        """The body under way is no whole file."""
        self.part_awaited: Part | None = None
        """The last body was none, and the next may go on with its file."""
        self.first = False
        self.lost = False

    def begin_file(self, part: Part | None) -> list[Event]:
        """A body begins, no whole file if it is a `part`; or none does, at the end. What is to be told first."""
        awaited, self.part_awaited, self.part = self.part_awaited, None, part
        self.first = awaited is None or part is None or not awaited.goes_on_in(part)
        if part is not None and self.files is not None:
            self.files.size = None if part.lacks_beginning else part.size
        events = awaited.given_up() if awaited is not None and self.first else []
        return [*events, NOTE] if part is not None and self.first and part.lacks_beginning else events

    def end_file(self, offset: int, *, to_server: bool) -> Sequence[Event]:
        """The body is complete, or nothing more of it comes."""
        part, self.part = self.part, None
        sent = self.exchange.length if self.exchange else 0
        if part is not None and not self.first and part.awaits(sent):
            self.part_awaited = part
            return ()
        event = self._content(offset, 0, b"", 0, to_server, True, last=True)
        events = self.files.split(event) if self.files is not None else (event,)
        return events if part is None or part.ends(sent) else [*events, NOTE]

    def content(
        self, part: http_body.Part, offset: int, data: bytes, *, to_server: bool, plain: bool
    ) -> Content:
        """The next bytes of the body under way, `data` when decoded, at `offset` of the stream."""
        return self._content(offset, part.length, data, part.following, to_server, plain, last=False)

    def _content(
        self,
        offset: int,
        length: int,
        data: bytes,
        following: int,
        to_server: bool,  # noqa: FBT001 - a direction, as everywhere
        plain: bool,  # noqa: FBT001 - as `Content` has it
        *,
        last: bool,
    ) -> Content:
        number, first, files = self.exchange.number if self.exchange else 0, self.first, self.files
        if files is None or not first:
            return Content(number, to_server, offset, length, data, plain, following, first, last)
        return Content(
            number,
            to_server,
            offset,
            length,
            data,
            plain,
            following,
            first,
            last,
            name=files.name,
            size=files.size,
        )
