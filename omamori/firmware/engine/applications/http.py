"""HTTP/1 over one connection: requests and responses, pipelined or not, paired by their order.

Heads become messages with buffers for the rules; bodies become content for the antivirus and, up to a limit, a growing buffer
for the rules. A direction that cannot be followed any more is left alone; the other goes on.
"""

import re
from collections import deque
from collections.abc import Sequence

from omamori.firmware.engine.applications import (
    http_body,
    http_buffers,
    http_coding,
    http_events,
    http_fields,
    http_files,
    http_head,
    http_ranges,
)
from omamori.firmware.engine.applications.http2 import Http2
from omamori.firmware.engine.applications.http_exchange import Exchange
from omamori.firmware.engine.applications.http_fields import FieldMemory
from omamori.firmware.engine.applications.http_files import FILE_NAME, BodyFiles
from omamori.firmware.engine.applications.http_head import Framing, Head, Response
from omamori.firmware.engine.applications.http_shown import Shown
from omamori.firmware.engine.applications.http_side import Side
from omamori.firmware.engine.applications.layer import (
    NO_EVENTS,
    Context,
    Event,
    How,
    LoginRefused,
    Message,
    SiteAsked,
    Unscanned,
)
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_HEAD_END = re.compile(rb"\n\r?\n|\n[ \t]+\n")
_OLD_REQUEST = re.compile(rb"[A-Z]{3,10} [^ \r\n]+[ \t]*\r?\n")
_STATUS_LINE = re.compile(rb"(?:^|\n)[ \t\0]*(?=HTTP/)", re.IGNORECASE)
_UNAUTHORIZED = 401
_CREDENTIALS = (b"basic ", b"digest ")
"""Schemes whose refusal is one: others are refused once or twice in every good log-in."""
_MAX_WAITING = 1024
"""Requests without a response yet; beyond it pairing is given up."""
_MAX_UNASKED = 256
"""Responses that no request asked for, or that only announce another; what follows so many is taken for a file."""
_ENDLESS = 16 << 20
"""Bytes of a head that no receiver waits through."""
_STATUS_BEGIN = b"HTTP"
_REQUEST_BODY = frozenset(("http.request_body", "file.data", FILE_NAME))
_RESPONSE_BODY = frozenset(("http.response_body", "file.data", FILE_NAME))


class Http:
    """The parser of one connection."""

    name = "http"
    gives_way = True

    def __init__(self, settings: Settings, memory: FieldMemory | None = None) -> None:
        self._settings, self._memory = settings, memory
        self.finished = False
        """A tunnel was opened: another protocol follows."""
        self._sides = (Side(), Side())
        self._waiting: deque[Exchange] = deque()
        self._recent: deque[Exchange] = deque(maxlen=16)
        self._count = self._unasked = 0
        self._upgraded: Http2 | None = None

    @property
    def lost(self) -> bool:
        if self._upgraded is not None:
            return self._upgraded.lost
        return self._sides[False].lost and self._sides[True].lost

    def follows(self, *, to_server: bool) -> bool:
        """Whether it still knows where files of this direction end."""
        if self._upgraded is not None:
            return self._upgraded.follows(to_server=to_server)
        return not self._sides[to_server].lost

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        if self._upgraded is not None:
            return self._upgraded.feed(piece, needs, to_server=to_server)
        return self._parsed(piece, needs, to_server=to_server)

    def _parsed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        side = self._sides[to_server]
        events: list[Event] = []
        if piece.missing and not side.lost:
            self._skip(side, piece, events, needs, to_server=to_server)
        data, at = piece.data, 0
        while at < len(data) and not side.lost:
            if side.body is None:
                at = self._take_head(side, piece, at, events, needs, to_server=to_server)
            else:
                at = self._take_body(side, piece, at, events, needs, to_server=to_server)
        if self._upgraded is not None and at < len(data):
            rest = Piece(piece.offset + at, 0, data[at:])
            events += self._upgraded.feed(rest, needs, to_server=to_server)
        return events if len(events) <= http_body.MANY else http_body.together(events)

    def end(self, needs: frozenset[str]) -> Sequence[Event]:
        events: list[Event] = list(self._upgraded.end(needs)) if self._upgraded is not None else []
        for to_server, side in enumerate(self._sides):
            if side.head and not side.lost:
                self._take_head(side, Piece(0, 0, b"\n\n"), 0, events, needs, to_server=bool(to_server))
            if side.body is not None:
                self._finish_body(side, 0, events, needs, to_server=bool(to_server))
            events += side.begin_file(None)
        return events

    def context(self, transaction: int | None) -> Context:
        if self._upgraded is not None:
            return self._upgraded.context(transaction)
        for exchange in self._recent:
            if exchange.number == transaction:
                return exchange.context()
        return self._recent[-1].context() if self._recent else Context()

    # --- heads

    def _take_head(
        self,
        side: Side,
        piece: Piece,
        at: int,
        events: list[Event],
        needs: frozenset[str],
        *,
        to_server: bool,
    ) -> int:
        if not side.head:
            blank = b"\r\n\0" if to_server else b"\r\n\0 \t"
            while at < len(piece.data) and piece.data[at] in blank:
                at += 1
        kept = len(side.head)
        text = side.head + piece.data[at:] if kept or at else piece.data
        if not to_server and self._unasked > _MAX_UNASKED:
            return self._nameless(side, at, events)
        if not to_server and not _STATUS_BEGIN.startswith(text[:4].upper()):
            return self._unannounced(side, text, at, kept, events)
        match = _HEAD_END.search(text, max(side.scanned_to - 80, 0))
        if match is None:
            if to_server and not side.old:
                self._show_old_request(side, text, events, needs)
            side.head, side.scanned_to = text, len(text)
            if len(text) > self._settings.head_limit:
                self._shorten(side, events, to_server=to_server)
            return len(piece.data)
        side.head, side.scanned_to, side.old, side.left_out = b"", 0, False, 0
        begin = self._begin_request if to_server else self._begin_response
        begin(side, text[: match.end()], events, needs)
        end = at + match.end() - kept
        if side.body is not None and side.body.done:
            side.body = None
        return end

    def _shorten(self, side: Side, events: list[Event], *, to_server: bool) -> None:
        """Of a head that is too long to keep, only what says where the body lies and how is kept."""
        kept = http_fields.shortened(side.head, self._settings.head_limit)
        side.left_out += len(side.head) - len(kept)
        side.head, side.scanned_to = kept, 0
        if side.left_out > _ENDLESS:
            side.head, side.lost = b"", True
            events.append(Unscanned(to_server, "a head without end"))

    def _show_old_request(self, side: Side, text: bytes, events: list[Event], needs: frozenset[str]) -> None:
        """A line without a version is a whole request to servers that still know HTTP/0.9: rules see it at once."""
        line = _OLD_REQUEST.match(text)
        request = http_head.parse_request(line[0]) if line else None
        if request is not None:
            side.old = True
            buffers = http_buffers.of_request(request, needs)
            events.append(Message(self._count + 1, to_server=True, buffers=buffers, complete=False))

    def _unannounced(self, side: Side, text: bytes, at: int, kept: int, events: list[Event]) -> int:
        """A response without a status line at its beginning: receivers skip to one, or take all for the file (HTTP/0.9)."""
        status = _STATUS_LINE.search(text)
        if status is not None:
            side.head, side.scanned_to = b"", 0
            return max(at + status.end() - kept, at)
        return self._nameless(side, at, events)

    def _nameless(self, side: Side, at: int, events: list[Event]) -> int:
        """A file without a head. What was kept of a head that is none is not part of it any more."""
        side.head, side.scanned_to = b"", 0
        exchange = self._answered(Response(b"", http_fields.NONE))
        side.exchange, side.buffers = exchange, {}
        # After a response that should have no body some receivers take what its head says for true.
        head = side.bodiless or Response(b"", http_fields.NONE)
        side.bodiless = None
        self._begin_body(side, head, http_head.stated(head), events, wanted=True, to_server=False)
        return at

    def _begin_request(self, side: Side, block: bytes, events: list[Event], needs: frozenset[str]) -> None:
        request = http_head.parse_request(block, self._memory)
        if request is None and not block.strip(b"\r\n\t \0"):
            return
        self._count += 1
        exchange = Exchange(self._count, request)
        self._recent.append(exchange)
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(exchange)
        if request is None:  # the server says so, and may go on
            return
        site = request.host
        authorization = request.get(b"authorization") or b""
        if site or authorization:
            events.append(SiteAsked(site or b"", How.HTTP, request.target, authorization))
        side.exchange, side.buffers = exchange, http_buffers.of_request(request, needs)
        side.kept = request.fields.made
        side.events = http_events.of_request(request, block) if "events" in needs else NO_EVENTS
        framing = http_head.request_body(request)
        self._begin_body(side, request, framing, events, wanted=bool(needs & _REQUEST_BODY), to_server=True)

    def _begin_response(self, side: Side, block: bytes, events: list[Event], needs: frozenset[str]) -> None:
        response = http_head.parse_response(block)
        if response is None:
            side.lost = True
            return
        exchange = self._answered(response)
        exchange.response = response
        if response.status == _UNAUTHORIZED and _brought_credentials(exchange):
            events.append(LoginRefused())
        side.exchange, side.buffers = exchange, http_buffers.of_response(response, needs)
        side.events = http_events.of_response(response, block) if "events" in needs else NO_EVENTS
        method = exchange.request.method if exchange.request else b""
        if http_head.opens_tunnel(response, exchange.request):
            events.append(Message(exchange.number, False, side.buffers, events=side.events))
            self._sides[True].lost = side.lost = True  # a tunnel: no HTTP/1 follows
            if (response.get(b"upgrade") or b"").strip().lower() == b"h2c":
                self._upgraded = Http2(self._settings)
            self.finished = self._upgraded is None
            return
        framing = http_head.response_body(response, method)
        side.bodiless = response if framing[0] is Framing.NONE else None
        self._begin_body(
            side, response, framing, events, wanted=bool(needs & _RESPONSE_BODY), to_server=False
        )

    def _answered(self, response: Response) -> Exchange:
        if not self._waiting:
            self._unasked += 1
            self._count += 1
            exchange = Exchange(self._count)
            self._recent.append(exchange)
            return exchange
        if 100 <= response.status < 200 and response.status != 101:
            self._unasked += 1
            return self._waiting[0]
        return self._waiting.popleft()

    def _begin_body(
        self,
        side: Side,
        head: Head,
        framing: tuple[Framing, int],
        events: list[Event],
        *,
        wanted: bool,
        to_server: bool,
    ) -> None:
        assert side.exchange is not None  # noqa: S101 - set by the caller
        number = side.exchange.number
        if framing[0] is Framing.NONE:
            side.body = None
            events.append(Message(number, to_server, side.buffers, True, side.events, side.kept))
            return
        side.body = http_body.Body(*framing)
        side.decoder = http_coding.Decoder(http_head.encodings(head), self._settings.file_limit)
        side.files = BodyFiles(
            head,
            framing,
            plain=side.decoder.plain,
            transaction=number,
            to_server=to_server,
        )
        placed = side.decoder.plain and side.files.mime is None
        part = None if to_server else http_ranges.part_of(side.exchange, placed=placed)
        events += side.begin_file(part)
        side.shown = Shown(self._settings.body_window if wanted else 0)
        complete = side.body.done or not wanted
        events.append(Message(number, to_server, side.buffers, complete, side.events, side.kept))

    # --- bodies

    def _take_body(
        self,
        side: Side,
        piece: Piece,
        at: int,
        events: list[Event],
        needs: frozenset[str],
        *,
        to_server: bool,
    ) -> int:
        assert side.body is not None  # noqa: S101 - asked by the caller
        assert side.decoder is not None  # noqa: S101 - goes with the body
        part, end = side.body.take(piece.data, at)
        if part is not None and part.length:
            raw = piece.data[part.begin : part.begin + part.length]
            plain = side.decoder.plain
            self._content(
                side,
                piece.offset + part.begin,
                part,
                side.decoder.feed(raw),
                events,
                plain=plain,
                to_server=to_server,
            )
            if side.shown.is_due:
                self._show(side, events, needs, complete=False, to_server=to_server)
        if side.body.done:
            self._finish_body(side, piece.offset + end, events, needs, to_server=to_server)
        return end

    def _content(
        self,
        side: Side,
        offset: int,
        part: http_body.Part,
        data: bytes,
        events: list[Event],
        *,
        plain: bool,
        to_server: bool,
    ) -> None:
        event = side.content(part, offset, data, to_server=to_server, plain=plain)
        events += side.files.split(event) if side.files is not None else [event]
        side.first = False
        side.shown.add(data)
        if side.exchange and not to_server:
            side.exchange.length += part.length

    def _show(
        self, side: Side, events: list[Event], needs: frozenset[str], *, complete: bool, to_server: bool
    ) -> None:
        wanted = needs & (_REQUEST_BODY if to_server else _RESPONSE_BODY)
        if not wanted:
            return
        exchange = side.exchange or Exchange(0)
        head = exchange.request if to_server else exchange.response
        parts = side.files.names if side.files is not None else ()
        seen = http_files.buffers(wanted, side.shown.look(), head, exchange.request, parts)
        events.append(
            Message(exchange.number, to_server, {**side.buffers, **seen}, complete, NO_EVENTS, side.kept)
        )

    def _finish_body(
        self, side: Side, offset: int, events: list[Event], needs: frozenset[str], *, to_server: bool
    ) -> None:
        number = side.exchange.number if side.exchange else 0
        events += side.end_file(offset, to_server=to_server)
        if side.body is not None and side.body.invalid and "events" in needs:
            odd = http_events.of_chunks(to_server=to_server)
            events.append(Message(number, to_server, side.buffers, complete=False, events=odd))
        self._show(side, events, needs, complete=True, to_server=to_server)
        side.body = side.decoder = side.files = None
        side.shown = Shown(0)

    def _skip(
        self, side: Side, piece: Piece, events: list[Event], needs: frozenset[str], *, to_server: bool
    ) -> None:
        """Bytes are missing: fine inside a body that goes on, the end of this direction elsewhere."""
        if side.body is None or not side.body.skip(piece.missing):
            side.lost = True
        else:
            side.decoder = http_coding.Decoder(None, self._settings.file_limit)
        if side.body is not None and (side.lost or side.body.done):
            self._finish_body(side, piece.offset, events, needs, to_server=to_server)


def _brought_credentials(exchange: Exchange) -> bool:
    sent = exchange.request.get(b"authorization") if exchange.request else None
    return sent is not None and sent.strip().lower().startswith(_CREDENTIALS)
