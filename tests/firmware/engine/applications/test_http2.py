"""HTTP/2 in the clear: the same buffers and files as HTTP/1, whatever the frames, the segments and the bytes."""

import gzip
from itertools import pairwise

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications import detect
from omamori.firmware.engine.applications.http import Http
from omamori.firmware.engine.applications.http2 import Http2
from omamori.firmware.engine.applications.http2_frames import PREFACE
from omamori.firmware.engine.applications.layer import Content, How, Message, Unscanned
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import RuleHit, Signatures
from tests.firmware.engine.conversation import Tcp, Unit

NEEDS = frozenset(
    [
        "http.uri",
        "http.method",
        "http.host",
        "http.user_agent",
        "http.header",
        "http.header_names",
        "http.request_body",
        "http.stat_code",
        "http.response_body",
        "http.server",
        "http.content_type",
        "http.protocol",
        "http.request_line",
        "file.data",
    ]
)
DATA, HEADERS, RESET, SETTINGS, PUSH, PING, CONTINUATION = 0, 1, 3, 4, 5, 6, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "Site.Example:80"), (":path", "/a%20b?c")]
AGENT = ("user-agent", "agent/1")
OK = [(":status", "200"), ("server", "s"), ("content-type", "text/plain")]


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Peer:
    """One direction's bytes."""

    def __init__(self, *, client):
        self.encoder = Encoder()
        self.out = (PREFACE if client else b"") + frame(SETTINGS, 0, 0, bytes(6))

    def head(self, stream, fields, *, ends=False, cut=None, kind=HEADERS, before=b"", flags=0):
        block = self.encoder.encode(fields)
        first, rest = block[:cut], block[cut:] if cut is not None else b""
        end = END_STREAM if ends else 0
        if cut is None:
            self.out += frame(kind, end | END_HEADERS | flags, stream, before + first)
        else:
            self.out += frame(kind, end | flags, stream, before + first)
            self.out += frame(CONTINUATION, END_HEADERS, stream, rest)
        return self

    def data(self, stream, data, *, ends=False, padding=None):
        flags = END_STREAM if ends else 0
        if padding is None:
            self.out += frame(DATA, flags, stream, data)
        else:
            self.out += frame(DATA, flags | PADDED, stream, bytes([padding]) + data + bytes(padding))
        return self


def feed(layer, data, *, to_server, cuts=()):
    marks = [0, *sorted(cuts), len(data)]
    return [
        event
        for begin, end in pairwise(marks)
        if begin < end
        for event in layer.feed(Piece(begin, 0, data[begin:end]), NEEDS, to_server=to_server)
    ]


def last_buffers(events):
    """Of each transaction and direction, the last that was shown."""
    return {(e.transaction, e.to_server): e.buffers for e in events if isinstance(e, Message) and e.complete}


def scanned(events):
    return b"".join(event.data for event in events if isinstance(event, Content))


def test_a_request_and_its_response_have_the_buffers_of_http_1():
    http = Http2(Settings())
    client = Peer(client=True).head(1, [*GET, AGENT, ("cookie", "id=1")], ends=True)
    asked, *events = feed(http, client.out, to_server=True)
    assert (asked.name, asked.how, asked.target) == (b"site.example", How.HTTP, b"/a%20b?c")
    buffers = {name: value[0] for name, value in last_buffers(events)[1, True].items()}
    assert buffers["http.method"] == b"GET"
    assert buffers["http.uri"] == b"/a b?c"
    assert buffers["http.host"] == b"site.example"
    assert buffers["http.user_agent"] == b"agent/1"
    assert buffers["http.header"] == b"host: Site.Example:80\r\nuser-agent: agent/1\r\n"
    assert buffers["http.protocol"] == b"HTTP/2"
    server = Peer(client=False).head(1, OK).data(1, b"a file", ends=True)
    events = feed(http, server.out, to_server=False)
    buffers = last_buffers(events)[1, False]
    assert (buffers["http.stat_code"], buffers["http.server"]) == ([b"200"], [b"s"])
    assert buffers["file.data"] == buffers["http.response_body"] == [b"a file"]
    assert scanned(events) == b"a file"
    told = http.context(1).http
    assert (told["url"], told["status"], told["length"]) == ("/a%20b?c", 200, 6)


STREAMS = st.lists(
    st.tuples(
        st.binary(max_size=120),
        st.booleans(),
        st.sampled_from([None, 0, 7]),
        st.sampled_from([None, 0, 3]),
        st.integers(1, 60),
    ),
    min_size=1,
    max_size=4,
)


@given(STREAMS, st.data())
@settings(max_examples=100)
def test_answers_are_the_same_however_they_are_framed_and_cut(streams, data):
    http, client, server = Http2(Settings()), Peer(client=True), Peer(client=False)
    for number, (body, packed, padding, cut, size) in enumerate(streams):
        stream = 2 * number + 1
        client.head(stream, GET, ends=True, cut=cut)
        sent = gzip.compress(body, mtime=0) if packed else body
        fields = [*OK, ("content-encoding", "gzip")] if packed else OK
        server.head(stream, [(":status", "103"), ("link", "x")]).head(stream, fields, cut=cut)
        for at in range(0, len(sent), size):
            server.data(stream, sent[at : at + size], padding=padding)
        server.head(stream, [("trailer", "1")], ends=True)
    cuts = data.draw(st.lists(st.integers(0, len(server.out)), max_size=30))
    events = feed(http, client.out, to_server=True, cuts=cuts)
    events += feed(http, server.out, to_server=False, cuts=cuts)
    shown = last_buffers(events)
    for number, (body, *_) in enumerate(streams, 1):
        assert shown[number, True]["http.method"] == [b"GET"]
        assert shown[number, False].get("file.data", [b""]) == [body]
    assert scanned(events) == b"".join(body for body, *_ in streams)
    assert not http.lost


def test_where_a_file_lies_in_the_stream_is_told():
    server = Peer(client=False).head(1, OK).data(1, b"first,", padding=9).data(1, b"second", ends=True)
    events = feed(Http2(Settings()), server.out, to_server=False, cuts=range(0, len(server.out), 3))
    for event in events:
        if isinstance(event, Content):
            assert server.out[event.offset : event.offset + event.length] == event.data
            assert server.out[event.offset + event.length :][: event.following] in b"first,second"


@pytest.mark.parametrize(
    ("stated", "whole"), [("bytes 0-5/6", True), ("bytes 0-5/9", False), ("bytes 3-8/9", False)]
)
def test_a_part_of_a_file_is_noted(stated, whole):
    http = Http2(Settings())
    feed(http, Peer(client=True).head(1, GET, ends=True).out, to_server=True)
    head = [(":status", "206"), ("content-range", stated)]
    server = Peer(client=False).head(1, head).data(1, b"a file", ends=True)
    events = feed(http, server.out, to_server=False)
    assert scanned(events) == b"a file"
    assert [event.why for event in events if isinstance(event, Unscanned)] == (
        [] if whole else ["part of a file"]
    )


def test_priorities_pushes_and_resets_are_passed_over():
    http, server = Http2(Settings()), Peer(client=False)
    server.head(1, GET, kind=PUSH, before=b"\0\0\0\2")
    server.out += frame(PING, 0, 0, bytes(8)) + frame(0x55, 0, 3, b"grease")
    server.head(2, OK, before=b"\0\0\0\0\x10", flags=PRIORITY).data(2, b"pushed")
    server.out += frame(RESET, 0, 2, bytes(4))
    server.head(1, OK).data(1, b"asked", ends=True)
    events = feed(http, server.out, to_server=False)
    assert [buffers["file.data"] for buffers in last_buffers(events).values()] == [[b"asked"]]


@pytest.mark.parametrize(
    "bad",
    [
        frame(HEADERS, 0, 1, b"\x82") + frame(DATA, 0, 1, b"x"),
        frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
        frame(DATA, PADDED, 1, b"\xff"),
        frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, 0, 1, bytes(500)) * 3,
        b"HTTP/1.1 200 OK\r\n\r\n" * 4,
    ],
)
def test_what_is_no_frame_ends_the_direction(bad):
    http = Http2(Settings(head_limit=1000))
    feed(http, bad, to_server=False)
    feed(http, b"GET / HTTP/1.1\r\n\r\n", to_server=True)
    assert http.lost


def test_streams_are_bounded_in_number():
    http, client = Http2(Settings()), Peer(client=True)
    for number in range(400):
        client.head(2 * number + 1, GET)
    feed(http, client.out, to_server=True)
    assert len(http._streams) <= 128
    assert len(last_buffers(http.end(NEEDS))) <= 128


def test_an_upgraded_connection_goes_on_in_the_same_parser():
    http = Http(Settings())
    request = b"GET /first HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    feed(http, request, to_server=True)
    server = Peer(client=False).head(1, OK).data(1, b"the answer", ends=True)
    switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"
    events = feed(http, switch + server.out, to_server=False)
    assert scanned(events) == b"the answer"
    events = feed(http, Peer(client=True).head(3, GET, ends=True).out, to_server=True)
    assert events[0].name == b"site.example"


class Path:
    needs = frozenset(("http.uri",))

    def evaluate(self, inspection):
        hit = RuleHit(7, 1, 1, "TEST", "trojan-activity", 1, "drop", {})
        return [hit] if b"/a b?c" in inspection.buffers.get("http.uri", ()) else []


def test_a_rule_blocks_a_connection_that_speaks_http_2_at_once():
    guard, talk = Unit(Engine(Signatures(Path()))), Tcp(server_port=8080)
    said = Peer(client=True).head(1, GET, ends=True).out
    assert detect.of_stream(said, Settings(), to_server=True).name == "http2"
    guard.feed([*talk.handshake(), *talk.say(frame(SETTINGS, 0, 0), to_server=False)])
    guard.feed(talk.say(said, to_server=True, size=11))
    assert guard.last == "Block"


PARTS = st.one_of(
    st.binary(max_size=40),
    st.builds(frame, st.integers(0, 12), st.integers(0, 63), st.integers(0, 5), st.binary(max_size=30)),
    st.sampled_from([PREFACE, Peer(client=True).head(1, GET).out, Peer(client=False).head(1, OK).out]),
)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), PARTS), max_size=20))
@settings(max_examples=200)
def test_any_bytes_are_taken(parts):
    http = Http2(Settings(head_limit=300, body_window=50, file_limit=500))
    http._sides[True].preface = b""
    for to_server, hole, data in parts:
        for event in http.feed(Piece(0, int(hole and len(data) > 35), data), NEEDS, to_server=to_server):
            if isinstance(event, Content):
                assert event.offset + event.length <= len(data)
    http.end(NEEDS)
    http.context(None)
