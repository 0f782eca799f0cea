"""Heads in the ordinary form are read in one pass, and lines that come again not at all: always the same as read anew, leniently."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications import http_buffers, http_events, http_fields, http_head
from omamori.firmware.engine.applications.http import Http
from omamori.firmware.engine.applications.http_fields import FieldMemory, Fields
from omamori.firmware.engine.applications.layer import Message
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

_NAMES = (
    b"Host",
    b"host",
    b"Cookie",
    b"User-Agent",
    b"Content-Length",
    b"Transfer-Encoding",
    b"X-\xe9",
    b"X Y",
    b"Ho\0st",
    b"",
)
_VALUES = (
    b"a.example",
    b"0",
    b"chunked",
    b" padded ",
    b"",
    b"gzip, br",
    b"caf\xe9",
    b"a\0b",
    b"a\rb",
    b"a:b",
    b"a\x0b",
    b"\x85",
)
_ENDS = (b"\r\n",) * 12 + (b"\n", b"\r", b"\r\n ", b"\r\n\t", b"\r\r\n")
_COLONS = (b": ",) * 8 + (b":", b" : ", b":\t", b":  ", b"")
_LINES = st.tuples(
    st.sampled_from(_NAMES), st.sampled_from(_COLONS), st.sampled_from(_VALUES), st.sampled_from(_ENDS)
).map(b"".join)
_NEEDS = frozenset((*http_buffers._REQUEST, *http_buffers._REQUEST_FIELDS, "http.request_header", "events"))


def lenient(raw):
    return Fields(raw, http_fields._leniently(raw, b""))


@settings(max_examples=400)
@given(st.lists(_LINES, max_size=6).map(b"".join), st.sampled_from((b"\r\n", b"\n", b"", b" \r\n")))
@example(b"Host: a\r\n" * 201, b"\r\n")
@example(b"Host: a\r\n" * 300, b"\r\n")
def test_one_pass_reads_what_lenient_receivers_read(lines, end):
    fields, anew = http_fields.read(lines + end), lenient(lines + end)
    assert (fields.raw, fields.pairs, fields.values) == (anew.raw, anew.pairs, anew.values)
    request, again = (
        http_head.Request(b"GET / HTTP/1.1", each, method=b"GET", target=b"/") for each in (fields, anew)
    )
    assert http_buffers.of_request(request, _NEEDS) == http_buffers.of_request(again, _NEEDS)
    text = b"GET / HTTP/1.1\r\n" + lines + end
    assert http_events.of_request(request, text) == http_events.of_request(again, text)


def test_ordinary_lines_are_read_in_one_pass():
    assert http_fields.read(b"Host: a.example\r\nAccept: */*\r\n\r\n").regular
    assert not http_fields.read(b"Host: a.example\r\n folded\r\n\r\n").regular


@settings(max_examples=150)
@given(st.lists(st.lists(_LINES, max_size=3).map(b"".join), min_size=1, max_size=3), st.data())
def test_a_remembered_head_says_the_same(blocks, data):
    """Heads in any order, with lines of which some came before, on connections that share what they remember."""
    memory = FieldMemory()
    for _ in range(4):
        sent = b"".join(
            b"%b HTTP/1.1\r\n%b\r\n" % (line, block)
            for line, block in data.draw(
                st.lists(
                    st.tuples(
                        st.sampled_from((b"GET /", b"POST /x", b"GET http://b.example/")),
                        st.sampled_from(blocks),
                    ),
                    max_size=4,
                )
            )
        )
        piece = Piece(0, 0, sent)
        remembering, fresh = Http(Settings(), memory), Http(Settings())
        for _ in range(2):
            assert _told(remembering, piece) == _told(fresh, piece)


def _told(http, piece):
    return [
        replace(event, kept=None) if isinstance(event, Message) else event
        for event in http.feed(piece, _NEEDS, to_server=True)
    ]


def test_lines_with_credentials_are_not_remembered():
    memory = FieldMemory()
    raw = b"Host: a\r\nAuthorization: Basic YTpi\r\n\r\n"
    assert memory.of(raw) is not memory.of(raw)
    plain = b"Host: a\r\n\r\n"
    assert memory.of(plain) is memory.of(plain)


def test_the_memory_of_lines_is_bounded():
    memory = FieldMemory()
    first = memory.of(b"Host: 0\r\n\r\n")
    for number in range(1, 2000):
        memory.of(b"Host: %d\r\n\r\n" % number)
    assert memory.of(b"Host: 0\r\n\r\n") is not first
    long = b"Host: %b\r\n\r\n" % (b"a" * 5000)
    assert memory.of(long) is not memory.of(long)


def test_other_rules_ask_for_other_buffers():
    memory = FieldMemory()
    block = b"GET / HTTP/1.1\r\nUser-Agent: x\r\n\r\n"
    for needs in (
        frozenset(("http.user_agent",)),
        frozenset(("http.header",)),
        frozenset(("http.user_agent",)),
    ):
        request = http_head.parse_request(block, memory)
        assert request is not None
        assert set(http_buffers.of_request(request, needs)) == needs


def test_long_lines_cost_no_more_than_their_length():
    """No line can make the one pass try again from each of its bytes."""
    for raw in (
        b"a" * 60_000,
        b"a: " + b" " * 60_000,
        b"a: b" + b" " * 60_000 + b"\r\n",
        b"a: b \r\n" * 8000,
    ):
        assert http_fields.read(raw).pairs == lenient(raw).pairs
