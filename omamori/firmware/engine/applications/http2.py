"""HTTP/2 in the clear, with prior knowledge or after an upgrade (RFC 9113): the same buffers and files as HTTP/1.

Streams are bounded in number, and one file each way is scanned at a time: what other streams carry meanwhile is only shown to
rules. Header compression is undone by the hpack library, which is loaded when such a connection comes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol

from omamori.firmware.engine.applications import http_buffers, http_files, http_head, http_ranges
from omamori.firmware.engine.applications.http2_frames import PREFACE, Block, Data, Frames, NotHttp2, Reset
from omamori.firmware.engine.applications.http_coding import Decoder
from omamori.firmware.engine.applications.http_exchange import Exchange
from omamori.firmware.engine.applications.http_fields import Fields
from omamori.firmware.engine.applications.http_files import FILE_NAME
from omamori.firmware.engine.applications.http_head import Request, Response
from omamori.firmware.engine.applications.http_shown import Shown
from omamori.firmware.engine.applications.layer import Content, Context, Event, How, Message, SiteAsked
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_MAX_STREAMS = 128
_TABLE = 64 << 10
"""Bytes of a compression table that a peer may ask for."""
_Fields = list[tuple[bytes, bytes]]
_BODIES = {
    True: ("http.request_body", "file.data", FILE_NAME),
    False: ("http.response_body", "file.data", FILE_NAME),
}


class _HeaderDecoder(Protocol):
    def decode(self, data: bytes, raw: bool = ...) -> Iterable[tuple[bytes | str, bytes | str]]: ...  # noqa: FBT001 - theirs


class _Body:
    """A message of one stream, one way."""

    __slots__ = ("buffers", "decoder", "first", "shown")

    def __init__(self, buffers: dict[str, Sequence[bytes]], encoding: bytes, settings: Settings) -> None:
        self.buffers = buffers
        self.decoder = Decoder(encoding, settings.file_limit)
        self.shown = Shown(settings.body_window)
        self.first = True


class _Stream:
    __slots__ = ("bodies", "exchange")

    def __init__(self, number: int) -> None:
        self.exchange = Exchange(number)
        self.bodies: list[_Body | None] = [None, None]


class _Side:
    __slots__ = ("frames", "headers", "lost", "preface", "scanned")

    def __init__(self, headers: _HeaderDecoder, settings: Settings) -> None:
        self.frames = Frames(settings.head_limit)
        self.headers = headers
        self.preface = b""
        """What is still to come of it."""
        self.lost = False
        self.scanned: int | None = None
        """The stream whose file is handed to the antivirus."""


class Http2:
    """The parser of one connection."""

    name = "http2"
    finished = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sides = (_Side(_decoder(), settings), _Side(_decoder(), settings))
        self._sides[True].preface = PREFACE
        self._streams: OrderedDict[int, _Stream] = OrderedDict()
        self._count = 0
        self._newest: Exchange | None = None

    @property
    def lost(self) -> bool:
        return self._sides[False].lost and self._sides[True].lost

    def follows(self, *, to_server: bool) -> bool:
        """Whether it still knows where files of this direction end."""
        return not self._sides[to_server].lost

    def feed(self, piece: Piece, needs: frozenset[str], *, to_server: bool) -> Sequence[Event]:
        side = self._sides[to_server]
        events: list[Event] = []
        side.lost = side.lost or bool(piece.missing)
        skipped = min(len(side.preface), len(piece.data))
        side.lost = side.lost or not side.preface.startswith(piece.data[:skipped])
        side.preface = side.preface[skipped:]
        if side.lost:
            return ()
        try:
            for frame in side.frames.feed(piece.data[skipped:]):
                match frame:
                    case Block():
                        self._block(side, frame, events, needs, to_server=to_server)
                    case Data():
                        self._data(side, piece, skipped, frame, events, needs, to_server=to_server)
                    case Reset():
                        self._streams.pop(frame.stream, None)
        except NotHttp2:
            side.lost = True
        return events

    def end(self, needs: frozenset[str]) -> Sequence[Event]:
        events: list[Event] = []
        for number, stream in self._streams.items():
            for to_server in (True, False):
                self._finish(number, stream, 0, events, needs, to_server=to_server)
        return events

    def context(self, transaction: int | None) -> Context:
        for stream in self._streams.values():
            if stream.exchange.number == transaction:
                return stream.exchange.context()
        return self._newest.context() if self._newest else Context()

    # --- headers

    def _block(
        self, side: _Side, block: Block, events: list[Event], needs: frozenset[str], *, to_server: bool
    ) -> None:
        """Raises NotHttp2. A block that is passed over is decoded all the same, for the next ones build on it."""
        fields = _decoded(side.headers, block.data)
        if block.pushed:
            return
        stream = self._stream(block.stream)
        if stream.bodies[to_server] is None:
            body = stream.bodies[to_server] = self._body(stream, fields, events, needs, to_server=to_server)
            if body is None:
                return
            complete = block.ends or needs.isdisjoint(_BODIES[to_server])
            events.append(Message(stream.exchange.number, to_server, body.buffers, complete))
        if block.ends:
            self._finish(block.stream, stream, 0, events, needs, to_server=to_server)

    def _body(
        self, stream: _Stream, fields: _Fields, events: list[Event], needs: frozenset[str], *, to_server: bool
    ) -> _Body | None:
        """What follows a head; None after a response that only announces another."""
        if to_server:
            request = stream.exchange.request = _request(fields)
            self._asked(request, events)
            buffers = http_buffers.of_request(request, needs)
            return _Body(buffers, http_head.encodings(request), self._settings)
        response = stream.exchange.response = _response(fields)
        if 100 <= response.status < 200:
            return None
        if http_ranges.part_of(stream.exchange, placed=False) is not None:
            events.append(http_ranges.NOTE)
        buffers = http_buffers.of_response(response, needs)
        return _Body(buffers, http_head.encodings(response), self._settings)

    @staticmethod
    def _asked(request: Request, events: list[Event]) -> None:
        site, authorization = request.host, request.get(b"authorization") or b""
        if site or authorization:
            events.append(SiteAsked(site, How.HTTP, request.target, authorization))

    def _stream(self, number: int) -> _Stream:
        stream = self._streams.get(number)
        if stream is None:
            self._count += 1
            stream = self._streams[number] = _Stream(self._count)
            if len(self._streams) > _MAX_STREAMS:
                self._streams.popitem(last=False)
        self._newest = stream.exchange
        return stream

    # --- bodies

    def _data(
        self,
        side: _Side,
        piece: Piece,
        skipped: int,
        data: Data,
        events: list[Event],
        needs: frozenset[str],
        *,
        to_server: bool,
    ) -> None:
        stream = self._streams.get(data.stream)
        body = stream.bodies[to_server] if stream is not None else None
        if stream is None or body is None:
            return
        begin = skipped + data.begin
        offset = piece.offset + begin
        if data.length:
            plain = body.decoder.plain
            decoded = body.decoder.feed(piece.data[begin : begin + data.length])
            body.shown.add(decoded)
            stream.exchange.length += data.length * (not to_server)
            if side.scanned is None:
                side.scanned = data.stream
            if side.scanned == data.stream:
                number = stream.exchange.number
                events.append(
                    Content(
                        number,
                        to_server,
                        offset,
                        data.length,
                        decoded,
                        plain,
                        data.following,
                        body.first,
                        last=False,
                    )
                )
                body.first = False
            if body.shown.is_due:
                self._show(stream, body, events, needs, complete=False, to_server=to_server)
        if data.ends:
            self._finish(data.stream, stream, offset, events, needs, to_server=to_server)

    def _finish(
        self,
        key: int,
        stream: _Stream,
        offset: int,
        events: list[Event],
        needs: frozenset[str],
        *,
        to_server: bool,
    ) -> None:
        side, body = self._sides[to_server], stream.bodies[to_server]
        if body is None:
            return
        if side.scanned == key:
            side.scanned = None
            number = stream.exchange.number
            events.append(Content(number, to_server, offset, 0, b"", True, 0, first=False, last=True))
        self._show(stream, body, events, needs, complete=True, to_server=to_server)
        body.shown, body.decoder = Shown(0), Decoder(None, 0)

    @staticmethod
    def _show(
        stream: _Stream,
        body: _Body,
        events: list[Event],
        needs: frozenset[str],
        *,
        complete: bool,
        to_server: bool,
    ) -> None:
        wanted = needs.intersection(_BODIES[to_server])
        if not wanted:
            return
        exchange = stream.exchange
        head = exchange.request if to_server else exchange.response
        seen = http_files.buffers(wanted, body.shown.look(), head, exchange.request)
        events.append(Message(exchange.number, to_server, {**body.buffers, **seen}, complete))


def _decoder() -> _HeaderDecoder:
    from hpack import Decoder as HeaderDecoder

    decoder = HeaderDecoder()
    decoder.max_allowed_table_size = _TABLE
    return decoder


def _decoded(decoder: _HeaderDecoder, data: bytes) -> _Fields:
    """Raises NotHttp2."""
    from hpack import HPACKError

    try:
        found = decoder.decode(data, raw=True)
        return [
            (bytes(name), bytes(value))
            for name, value in found
            if isinstance(name, bytes) and isinstance(value, bytes)
        ]
    except (HPACKError, ValueError, IndexError) as error:
        raise NotHttp2("a header block that cannot be decoded") from error


def _request(fields: _Fields) -> Request:
    pseudo, plain = _split(fields)
    method, target = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if b":authority" in pseudo and not any(name.lower() == b"host" for name, _ in plain):
        plain.insert(0, (b"host", pseudo[b":authority"]))
    line = b"%b %b HTTP/2" % (method, target)
    return Request(line, Fields(_raw(plain), plain), method=method, target=target, protocol=b"HTTP/2")


def _response(fields: _Fields) -> Response:
    pseudo, plain = _split(fields)
    status = pseudo.get(b":status", b"")
    number = int(status) if status.isdigit() and len(status) == 3 else 0
    return Response(b"HTTP/2 " + status, Fields(_raw(plain), plain), protocol=b"HTTP/2", status=number)


def _split(fields: _Fields) -> tuple[dict[bytes, bytes], _Fields]:
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    return pseudo, [(name, value) for name, value in fields if not name.startswith(b":")]


def _raw(fields: _Fields) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n"
