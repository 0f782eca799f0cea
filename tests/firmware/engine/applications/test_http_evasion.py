"""Responses bent to slip past a scanner: whatever one receiver or another makes of them, the rules see the file."""

import gzip
import lzma
import zlib
from itertools import pairwise

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications.http import Http
from omamori.firmware.engine.applications.http_coding import Decoder
from omamori.firmware.engine.applications.layer import Content, Message
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings

NEEDS = frozenset(("file.data", "http.header", "http.stat_code"))
FILE = b"the file that some receiver would save: MARKER-OF-THE-FILE, and the end"


def chunks(data, size=7, line_end=b"\r\n", extension=b""):
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    body = b"".join(b"%x%b%b%b%b" % (len(part), extension, line_end, part, line_end) for part in parts)
    return body + b"0" + line_end + line_end


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def seen(response, *, cut=None):
    """What the rules and the antivirus see of the file, all together."""
    http = Http(Settings())
    http.feed(Piece(0, 0, b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n"), NEEDS, to_server=True)
    events = []
    for at in range(0, len(response), cut or len(response)):
        piece = Piece(at, 0, response[at : at + (cut or len(response))])
        events += http.feed(piece, NEEDS, to_server=False)
    events += http.end(NEEDS)
    shown = b"|".join(
        value for each in events if isinstance(each, Message) for value in each.buffers.get("file.data", ())
    )
    scanned = b"".join(each.data for each in events if isinstance(each, Content))
    return shown, scanned


OK = b"HTTP/1.1 200 ok\r\n"
CHUNKED = {
    "plain": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(FILE),
    "lower-case protocol": b"http/1.0 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(FILE),
    "no space": OK + b"Transfer-Encoding:chunked\r\n\r\n" + chunks(FILE),
    "space before colon": OK + b"Transfer-Encoding : chunked\r\n\r\n" + chunks(FILE),
    "in a list": OK + b"Transfer-Encoding: foo, chunked\r\n\r\n" + chunks(FILE),
    "twice": OK + b"Transfer-Encoding: foo\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks(FILE),
    "with a length": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(FILE),
    "folded value": OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks(FILE),
    "folded colon": OK + b"X: y\r\nTransfer-Encoding\r\n : chunked\r\n\r\n" + chunks(FILE),
    "folded by a NUL": OK + b"X: y\r\nTransfer-Encoding:\n\0chunked\r\n\r\n" + chunks(FILE),
    "hidden in a fold": OK + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n" + chunks(FILE),
    "zero in the value": OK + b"Transfer-Encoding: chu\0nked\r\n\r\n" + chunks(FILE),
    "zero in the name": OK + b"Transfer\0-Encoding: chunked\r\n\r\n" + chunks(FILE),
    "in the status line": b"HTTP/1.1 200 ok\rTransfer-Encoding: chunked\r\nX: y\r\n\r\n" + chunks(FILE),
    "bare carriage returns": b"HTTP/1.1 200 ok\rX: y\rTransfer-Encoding: chunked\r\n\n" + chunks(FILE),
    "bare line feeds": b"HTTP/1.1 200 ok\nTransfer-Encoding: chunked\n\n" + chunks(FILE, line_end=b"\n"),
    "zero before the status line": b"\0HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(FILE),
    "extension": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(FILE, extension=b";a=b"),
    "space after size": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(FILE, extension=b"  "),
    "carriage return before size": OK + b"Transfer-Encoding: chunked\r\n\r\n\r" + chunks(FILE),
    "line before size": OK + b"Transfer-Encoding: chunked\r\n\r\n\r\n" + chunks(FILE),
    "zeros before size": OK
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"0" * 30
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(FILE), FILE),
    "marked hexadecimal": OK
    + b"Transfer-Encoding: chunked\r\n\r\n0x%x\r\n%b\r\n0\r\n\r\n" % (len(FILE), FILE),
    "no last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(FILE), FILE),
    "not chunked after all": OK + b"Transfer-Encoding: chunked\r\n\r\n" + FILE,
    "after a 100": b"HTTP/1.1 100 Continue\r\n\r\n"
    + OK
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + chunks(FILE),
    "gzip, too": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks(gzip.compress(FILE)),
    "after a status without a body": b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(FILE),
    "after an upgrade nobody asked for": b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunks(FILE),
    "no status": b"HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(FILE),
}
LENGTHS = {
    "folded, larger": OK + b"Content-Length: 5\r\n %d\r\n\r\n" % len(FILE) + FILE,
    "twice, larger": OK + b"Content-Length: 5\r\nContent-Length: %d\r\n\r\n" % len(FILE) + FILE,
    "in a list": OK + b"Content-Length: 5,%d\r\n\r\n" % len(FILE) + FILE,
    "too large": OK + b"Content-Length: 99999\r\n\r\n" + FILE,
    "no number": OK + b"Content-Length: x\r\n\r\n" + FILE,
    "none": OK + b"\r\n" + FILE,
    "head that never ends": OK + b"X: " + FILE,
    "no head at all": FILE,
}
ENCODED = {
    "gzip": (b"gzip", gzip.compress(FILE)),
    "gzip, two members": (b"gzip", gzip.compress(FILE[:20]) + gzip.compress(FILE[20:])),
    "x-gzip": (b"x-gzip", gzip.compress(FILE)),
    "gzip, cut off": (b"gzip", gzip.compress(FILE)[:-8]),
    "gzip, wrong check sum": (b"gzip", gzip.compress(FILE)[:-8] + bytes(8)),
    "gzip, junk behind": (b"gzip", gzip.compress(FILE) + b"junk"),
    "deflate by zlib": (b"deflate", zlib.compress(FILE)),
    "deflate, raw": (b"deflate", raw_deflate(FILE)),
    "gzip named deflate": (b"deflate", gzip.compress(FILE)),
    "deflate named gzip": (b"gzip", raw_deflate(FILE)),
    "br": (b"br", brotli.compress(FILE)),
    "Br, odd case": (b" Br", brotli.compress(FILE)),
    "both": (b"gzip, deflate", zlib.compress(gzip.compress(FILE))),
    "gzip, then br": (b"gzip, br", brotli.compress(gzip.compress(FILE))),
    "three times": (b"gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(FILE)))),
    "lzma": (b"lzma", lzma.compress(FILE, format=lzma.FORMAT_ALONE)),
    "xz": (b"xz", lzma.compress(FILE)),
    "not encoded after all": (b"gzip", FILE),
}
FIELDS = {
    "as usual": b"Content-Encoding: %b\r\n",
    "folded colon": b"Content-Encoding\r\n : \r\n %b\r\n",
    "zero behind the name": b"Content-Encoding\0: %b\r\n",
    "zero in the value": b"Content-Encoding: \0%b\r\n",
}


@pytest.mark.parametrize("cut", [None, 1, 13])
@pytest.mark.parametrize("name", [*CHUNKED, *LENGTHS])
def test_the_file_is_seen_however_it_is_framed(name, cut):
    shown, scanned = seen({**CHUNKED, **LENGTHS}[name], cut=cut)
    if name == "head that never ends":
        return  # no receiver has a file there; that it raises nothing is enough
    assert b"MARKER-OF-THE-FILE" in shown
    assert FILE in scanned


@pytest.mark.parametrize("cut", [None, 1, 13])
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", ENCODED)
def test_the_file_is_seen_however_it_is_encoded(name, field, cut):
    encoding, body = ENCODED[name]
    head = OK + FIELDS[field] % encoding + b"Content-Length: %d\r\n\r\n" % len(body)
    shown, scanned = seen(head + body, cut=cut)
    assert b"MARKER-OF-THE-FILE" in shown
    assert FILE in scanned


def test_a_request_without_a_version_is_shown_at_once():
    http = Http(Settings())
    events = http.feed(Piece(0, 0, b"GET /old\r\n"), frozenset(("http.uri",)), to_server=True)
    assert [event.buffers for event in events] == [{"http.uri": [b"/old"]}]
    assert http.feed(Piece(10, 0, b"Host: h\r\n"), frozenset(("http.uri",)), to_server=True) == []


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, brotli.compress, lzma.compress])
def test_a_bomb_goes_off_within_the_limit(pack):
    name = {gzip.compress: b"gzip", zlib.compress: b"deflate", brotli.compress: b"br", lzma.compress: b"xz"}[
        pack
    ]
    decoder, bomb = Decoder(name, 4 << 20), pack(bytes(16 << 20))
    parts = [decoder.feed(bomb[at : at + 500]) for at in range(0, len(bomb), 500)]
    assert 3 << 20 < sum(map(len, parts)) <= 6 << 20


def test_endless_members_end():
    assert len(Decoder(b"gzip", 1 << 20).feed(gzip.compress(b"x") * 10_000)) < 100


@given(
    st.sampled_from(
        [b"gzip", b"deflate", b"br", b"br, gzip", b"xz", b"lzma", b"gzip, br, deflate, gzip, br"]
    ),
    st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([body[:40] for _, body in ENCODED.values()])),
        max_size=8,
    ),
)
@settings(max_examples=200)
def test_any_bytes_are_decoded_or_handed_on(encoding, parts):
    decoder = Decoder(encoding, 10_000)
    assert sum(len(decoder.feed(part)) for part in parts) <= 10_000 + (1 << 20)


def test_a_flood_of_responses_nobody_asked_for_becomes_one_file():
    http = Http(Settings())
    for answer in (b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 100 Go on\r\n\r\n"):
        events = http.feed(Piece(0, 0, answer * 3000), NEEDS, to_server=False)
        assert sum(isinstance(event, Message) for event in events) < 600
    assert http.feed(Piece(0, 0, FILE), NEEDS, to_server=False)[0].data == FILE


def test_a_multitude_of_tiny_chunks_is_handed_on_together():
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in FILE * 100) + b"0\r\n\r\n"
    http = Http(Settings())
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    events = http.feed(Piece(0, 0, head + body), NEEDS, to_server=False)
    parts = [event for event in events if isinstance(event, Content)]
    assert len(parts) < 200
    assert b"".join(part.data for part in parts) == FILE * 100
    assert parts[0].first
    assert parts[-1].last
    for part, following in pairwise(parts[:-1]):
        assert part.offset + part.length <= following.offset
