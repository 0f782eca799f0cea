"""Heads with very many fields, of great length, or with lines that are no fields: site, framing and body are told all the same."""

import tracemalloc
from time import process_time

import pytest

from omamori.firmware.engine.applications import http_fields, http_head
from omamori.firmware.engine.applications.http import Http
from omamori.firmware.engine.applications.layer import Content, Message, SiteAsked, Unscanned
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

NEEDS = frozenset(("http.host", "http.header", "http.uri", "http.stat_code", "file.data"))
FILE = b"the file, cut into chunks"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n8\r\nthe file\r\n11\r\n, cut into chunks\r\n0\r\n\r\n"
FILLERS = {
    "256 fields": b"a: b\r\n" * 256,
    "9000 fields": b"a: b\r\n" * 9000,
    "30000 lines": b"a\n" * 30_000,
    "66 kB in one field": b"X: " + b"a" * 66_000 + b"\r\n",
    "200 kB in many fields": b"X: some value that is long\r\n" * 7200,
    "a fold of 100 kB": b"X: y\r\n" + b" and more\r\n" * 10_000,
    "bare carriage returns": b"X: some value that is long\r" * 7200 + b"\r\n",
}


def feed(http, data, cut, *, to_server):
    events = []
    for at in range(0, len(data), cut):
        events += http.feed(Piece(at, 0, data[at : at + cut]), NEEDS, to_server=to_server)
    return events


def scanned(events):
    return b"".join(event.data for event in events if isinstance(event, Content))


def sites(events):
    return [event.name for event in events if isinstance(event, SiteAsked)]


@pytest.mark.parametrize("cut", [1 << 20, 1460, 997])
@pytest.mark.parametrize("name", FILLERS)
def test_a_chunked_file_is_scanned_behind(name, cut):
    http = Http(Settings())
    feed(http, b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n", 100, to_server=True)
    events = feed(http, b"HTTP/1.1 200 OK\r\n" + FILLERS[name] + CHUNKED, cut, to_server=False)
    assert scanned(events) == FILE
    assert any(
        event.buffers.get("http.stat_code") == [b"200"] for event in events if isinstance(event, Message)
    )
    more = feed(http, b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", cut, to_server=False)
    assert scanned(more) == b"no"


@pytest.mark.parametrize("cut", [1 << 20, 1460, 997])
@pytest.mark.parametrize("name", FILLERS)
def test_the_site_is_asked_for_behind(name, cut):
    http = Http(Settings())
    request = b"GET /f HTTP/1.1\r\n" + FILLERS[name] + b"Host: evil.example\r\n\r\n"
    assert sites(feed(http, request, cut, to_server=True)) == [b"evil.example"]
    assert sites(feed(http, b"GET /g HTTP/1.1\r\nHost: next.example\r\n\r\n", cut, to_server=True)) == [
        b"next.example"
    ]


def test_framing_folded_or_with_zeros_is_found_behind_many_fields():
    for odd in (b"Transfer-Encoding\r\n : chunked\r\n", b"Transfer\0-Encoding: chunked\r\n"):
        head = b"HTTP/1.1 200 OK\r\n" + FILLERS["200 kB in many fields"] + odd
        http = Http(Settings())
        assert scanned(feed(http, head + CHUNKED.partition(b"\r\n")[2], 1460, to_server=False)) == FILE


def test_a_head_without_end_is_kept_short_and_given_up_in_the_end():
    http = Http(Settings())
    events = feed(http, b"HTTP/1.1 200 OK\r\n", 100, to_server=False)
    tracemalloc.start()
    for filler in (b"x" * 65_536, b"Content-Length: 7\r\n" * 3400):
        for _ in range(64):
            events += feed(http, filler, 1 << 20, to_server=False)
    assert tracemalloc.get_traced_memory()[0] < 300_000
    tracemalloc.stop()
    assert events == []
    for _ in range(256):
        events += feed(http, b"x" * 65_536, 1 << 20, to_server=False)
    assert [event.why for event in events if isinstance(event, Unscanned)] == ["a head without end"]
    feed(http, b"GET / HTTP/1.1\r\n" + b"x" * (17 << 20), 1 << 20, to_server=True)
    assert http.lost


def test_long_heads_cost_little():
    began = process_time()
    for lines in (b"a: b\r\n" * 10_000, b"a: b\r\n" + b" c\r\n" * 16_000, b"a\n" * 30_000):
        http_fields.read(lines + b"\r\n")
    assert process_time() - began < 1


def test_only_lines_that_begin_with_space_continue_a_field():
    fields = http_fields.read(b"Host: evil.example\r\nx\r\nA: b\r\n c\r\n\td\r\n\r\n")
    assert fields.values[b"host"] == b"evil.example"
    assert fields.values[b"a"] == b"b c d"
    assert fields.pairs == [(b"Host", b"evil.example"), (b"", b"x"), (b"A", b"b c d")]


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (b"CONNECT evil.example:443 HTTP/1.1", b"evil.example"),
        (b"CONNECT Evil.example HTTP/1.1", b"evil.example"),
        (b"CONNECT [2001:db8::1]:443 HTTP/1.1", b"[2001:db8::1]"),
        (b"CONNECT / HTTP/1.1", b"good.example"),
        (b"GET http://evil.example/ HTTP/1.1", b"evil.example"),
        (b"GET / HTTP/1.1", b"good.example"),
    ],
)
def test_the_site_is_the_targets_where_it_names_one(line, host):
    request = http_head.parse_request(line + b"\r\nHost: good.example\r\n\r\n")
    assert request.host == host
    told = Http(Settings()).feed(Piece(0, 0, line + b"\r\nHost: good.example\r\n\r\n"), NEEDS, to_server=True)
    assert sites(told) == [host]


@pytest.mark.parametrize("lengths", [b"4\r\nContent-Length: 400", b"4, 400", b"4 99"])
def test_of_several_lengths_of_a_request_the_first_counts(lengths):
    http = Http(Settings())
    post = b"POST /ok HTTP/1.1\r\nHost: a.example\r\nContent-Length: " + lengths + b"\r\n\r\nabcd"
    after = b"GET /bad HTTP/1.1\r\nHost: b.example\r\n\r\n"
    assert sites(feed(http, post + after, 1460, to_server=True)) == [b"a.example", b"b.example"]
