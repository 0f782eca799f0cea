"""HTTP connections: whatever the segments, the same messages, the same files; whatever the bytes, no exception."""

import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications import http_uri
from omamori.firmware.engine.applications.http import Http
from omamori.firmware.engine.applications.http_coding import Decoder
from omamori.firmware.engine.applications.layer import Content, How, Message
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

NEEDS = frozenset(
    [
        "http.uri",
        "http.uri.raw",
        "http.method",
        "http.host",
        "http.host.raw",
        "http.header",
        "http.header.raw",
        "http.header_names",
        "http.user_agent",
        "http.cookie",
        "http.request_line",
        "http.response_line",
        "http.stat_code",
        "http.stat_msg",
        "http.request_body",
        "http.response_body",
        "http.content_type",
        "http.content_len",
        "http.referer",
        "http.accept",
        "http.accept_enc",
        "http.accept_lang",
        "http.connection",
        "http.protocol",
        "http.start",
        "http.location",
        "http.server",
        "file.data",
        "http.request_header",
        "http.response_header",
    ]
)


def feed(http, data, *, to_server, cuts=()):
    marks = [0, *sorted(cuts), len(data)]
    return [
        event
        for begin, end in pairwise(marks)
        if begin < end
        for event in http.feed(Piece(begin, 0, data[begin:end]), NEEDS, to_server=to_server)
    ]


def complete(events):
    return [event for event in events if isinstance(event, Message) and event.complete]


def files(events):
    """The decoded bytes of each transaction, and where they lay in the stream."""
    found = {}
    for event in events:
        if isinstance(event, Content):
            data, spans = found.setdefault(event.transaction, (bytearray(), []))
            data += event.data
            spans += range(event.offset, event.offset + event.length)
    return {number: (bytes(data), spans) for number, (data, spans) in found.items()}


REQUEST = (
    b"POST http://Shop.Example:8080/a//b/%2e%2e/c%20d?q=%3Cx%3E HTTP/1.1\r\nHost: Shop.Example:8080\r\n"
    b"User-Agent: Mozilla\r\nCookie: id=1\r\nReferer: http://r/\r\nAccept: */*\r\nAccept-Language: ja\r\n"
    b"Accept-Encoding: gzip\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)


def test_the_buffers_of_a_request():
    events = feed(Http(Settings()), REQUEST, to_server=True)
    assert (events[0].name, events[0].how) == (b"shop.example", How.HTTP)
    buffers = {name: value[0] for name, value in complete(events)[-1].buffers.items()}
    head = REQUEST[: REQUEST.index(b"\r\n\r\n") + 4]
    line, _, fields = head.partition(b"\r\n")
    assert buffers["http.method"] == b"POST"
    assert buffers["http.uri"] == b"/a/c d?q=<x>"
    assert buffers["http.uri.raw"] == b"http://Shop.Example:8080/a//b/%2e%2e/c%20d?q=%3Cx%3E"
    assert buffers["http.host"] == b"shop.example"
    assert buffers["http.request_line"] == line
    assert buffers["http.protocol"] == b"HTTP/1.1"
    assert buffers["http.header.raw"] == fields
    assert buffers["http.start"] == head
    assert b"Cookie" not in buffers["http.header"]
    assert buffers["http.header"].startswith(b"Host: Shop.Example:8080\r\nUser-Agent: Mozilla\r\n")
    assert buffers["http.header_names"].startswith(b"\r\nHost\r\nUser-Agent\r\nCookie\r\n")
    assert buffers["http.header_names"].endswith(b"Content-Length\r\n\r\n")
    assert buffers["http.cookie"] == b"id=1"
    assert buffers["http.content_len"] == b"5"
    assert buffers["http.request_body"] == buffers["file.data"] == b"hello"


def test_the_buffers_of_a_response():
    http = Http(Settings())
    feed(http, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", to_server=True)
    response = b"HTTP/1.1 302 Moved away\r\nServer: s\r\nLocation: /x\r\nSet-Cookie: c\r\nContent-Length: 2\r\n\r\nok"
    buffers = complete(feed(http, response, to_server=False))[-1].buffers
    assert buffers["http.stat_code"] == [b"302"]
    assert buffers["http.stat_msg"] == [b"Moved away"]
    assert buffers["http.response_line"] == [b"HTTP/1.1 302 Moved away"]
    assert (buffers["http.location"], buffers["http.server"], buffers["http.cookie"]) == (
        [b"/x"],
        [b"s"],
        [b"c"],
    )
    assert buffers["http.response_body"] == buffers["file.data"] == [b"ok"]
    assert http.context(1).http["status"] == 302
    assert http.context(1).subject == "http://a/"


def response(body, *, chunked, encoding, sizes):
    head = b"HTTP/1.1 200 OK\r\n"
    if encoding == "gzip":
        head, body = head + b"Content-Encoding: gzip\r\n", gzip.compress(body, mtime=0)
    elif encoding == "deflate":
        head, body = head + b"Content-Encoding: deflate\r\n", zlib.compress(body)
    if not chunked:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    out, at = head + b"Transfer-Encoding: chunked\r\n\r\n", 0
    for size in [*sizes, len(body)]:
        part = body[at : at + size]
        if part:
            out += b"%x;ext=1\r\n%b\r\n" % (len(part), part)
        at += size
    return out + b"0\r\nTrailer: 1\r\n\r\n"


BODIES = st.lists(
    st.builds(
        lambda body, chunked, encoding, sizes: (
            body,
            response(body, chunked=chunked, encoding=encoding, sizes=sizes),
        ),
        st.binary(max_size=300),
        st.booleans(),
        st.sampled_from(["", "gzip", "deflate"]),
        st.lists(st.integers(1, 60), max_size=5),
    ),
    min_size=1,
    max_size=4,
)


@given(BODIES, st.data())
@settings(max_examples=150)
def test_pipelined_responses_are_the_same_however_they_are_cut(responses, data):
    stream = b"".join(raw for _, raw in responses)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=40))
    whole, cut = Http(Settings()), Http(Settings())
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(len(responses)))
    for http in (whole, cut):
        assert len(complete(feed(http, requests, to_server=True))) == len(responses)
    expected, found = feed(whole, stream, to_server=False), feed(cut, stream, to_server=False, cuts=cuts)
    assert complete(found) == complete(expected)
    assert files(found) == files(expected)
    for number, (body, _) in enumerate(responses, 1):
        assert files(found).get(number, (b"", []))[0] == body


def test_responses_without_a_body():
    http = Http(Settings())
    feed(http, b"HEAD /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n", to_server=True)
    stream = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
    )
    events = feed(http, stream, to_server=False)
    assert [event.transaction for event in complete(events)] == [1, 2, 2]
    assert files(events)[3][0] == b"until the end"
    last = complete(http.end(NEEDS))[-1]
    assert last.buffers["file.data"] == [b"until the end"]


def test_a_hole_inside_a_body_is_bridged_and_elsewhere_ends_the_direction():
    http = Http(Settings())
    feed(http, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", to_server=False)
    events = http.feed(
        Piece(50, 5, b"xyHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), NEEDS, to_server=False
    )
    assert [event.buffers["http.stat_code"] for event in complete(events)] == [[b"200"], [b"404"]]
    assert http.feed(Piece(200, 5, b"HTTP/1.1 404 No\r\n\r\n"), NEEDS, to_server=False) == []


def test_a_tunnel_ends_http():
    http = Http(Settings())
    feed(http, b"CONNECT a:443 HTTP/1.1\r\n\r\n", to_server=True)
    feed(http, b"HTTP/1.1 200 OK\r\n\r\n\x16\x03", to_server=False)
    assert http.lost


def test_a_bomb_goes_off_within_the_limit():
    bomb = gzip.compress(bytes(30 << 20))
    decoder = Decoder(b"gzip", 5 << 20)
    assert sum(len(decoder.feed(bomb[at : at + 1000])) for at in range(0, len(bomb), 1000)) <= 6 << 20


def test_what_is_not_as_declared_is_handed_on():
    assert Decoder(b"gzip", 100).feed(b"plain") == b"plain"
    raw = zlib.compressobj(wbits=-15)
    text = raw.compress(b"text") + raw.flush()
    assert Decoder(b"deflate", 100).feed(text) == b"text"
    slowly = Decoder(b"deflate", 100)
    assert b"".join(slowly.feed(text[at : at + 1]) for at in range(len(text))) == b"text"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/a/./b/../c", b"/a/c"),
        (b"/../../etc", b"/etc"),
        (b"\\a\\b", b"/a/b"),
        (b"/%u0041%zz%", b"/A%zz%"),
        (b"/a/..", b"/"),
        (b"http://h", b"/"),
        (b"http://u@h:1?x", b"/?x"),
        (b"/a?b=../c", b"/a?b=../c"),
    ],
)
def test_targets_are_normalised(target, path):
    assert http_uri.normalised(target) == path


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (b"http://bob:pw@h.example/x@y?z@", b"http://h.example/x@y?z@"),
        (b"http://bob:p@w@h.example", b"http://h.example"),
        (b"http:\\\\bob:pw@h.example\\x", b"http:\\\\h.example\\x"),
        (b"//bob:pw@h.example/", b"//h.example/"),
        (b"bob:pw@h.example:443", b"h.example:443"),
        (b"/x@y", b"/x@y"),
        (b"/to?u=http://bob:pw@h.example/&mail=a@b", b"/to?u=http://h.example/&mail=a@b"),
        (b"/to?u=http://h.example&mail=a@b", b"/to?u=http://h.example&mail=a@b"),
        (b"*", b"*"),
    ],
)
def test_credentials_in_a_url_are_left_out(url, shown):
    assert http_uri.without_credentials(url) == shown


PARTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            REQUEST,
            b"HTTP/1.1 200 OK\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: 7\r\n",
            b"Content-Encoding: gzip\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"GET / HTTP/1.1\n\n",
            b"\n ",
            b"ffffffffffff\r\n",
        ]
    ),
)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1).map(lambda n: n * 3), PARTS), max_size=25))
@settings(max_examples=300)
def test_any_bytes_are_taken_without_an_exception(parts):
    http = Http(Settings(head_limit=300, body_window=50, file_limit=500))
    for to_server, missing, data in parts:
        for event in http.feed(Piece(0, missing, data), NEEDS, to_server=to_server):
            if isinstance(event, Content):
                assert event.offset + event.length <= len(data)
    http.end(NEEDS)
    http.context(None)
