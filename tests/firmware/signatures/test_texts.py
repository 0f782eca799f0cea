"""Rules' text in blocks: every line comes back, any order of reading is right, and lies are refused."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.signatures.container import Altered
from omamori.firmware.signatures.texts import Lines, dump_lines


def many():
    """Lines of about a megabyte."""
    return [
        f'alert tcp any any -> any any (msg:"number {number}"; sid:{number};)'.encode() * 3
        for number in range(5000)
    ]


def test_every_line_comes_back_in_any_order():
    texts = many()
    raw = dump_lines(texts)
    lines = Lines(memoryview(raw))
    assert len(raw) < sum(map(len, texts)) / 10
    assert [line.encode() for line in lines] == texts
    for number in (4999, 0, 2500, -1, 17):
        assert lines[number].encode() == texts[number]
    assert [line.encode() for line in lines[10:12]] == texts[10:12]
    with pytest.raises(IndexError):
        lines[5000]


@pytest.mark.parametrize("texts", [[], [b""], [b"", b""], [b"x" * 200_000, b"y"], [b"\xff\xe9"]])
def test_odd_lines_come_back(texts):
    assert [line.encode("latin-1") for line in Lines(dump_lines(texts))] == texts


def test_a_line_with_a_line_feed_is_refused():
    with pytest.raises(ValueError, match="line 2"):
        dump_lines([b"one", b"two\nthree"])


def damaged(raw):
    """Raws that say something else of the same blocks."""
    lines, blocks = struct.unpack_from("<II", raw)
    yield raw[:4]
    yield raw[:30]
    yield raw[:-1]
    yield struct.pack("<II", lines + 1, blocks) + raw[8:]
    yield struct.pack("<II", lines, blocks - 1) + raw[8:]
    yield struct.pack("<II", lines, 1 << 31) + raw[8:]
    yield raw[:8] + b"\1" + raw[9:]
    yield raw[:-20] + bytes(20)


@pytest.mark.parametrize("which", range(8))
def test_what_was_not_written_so_is_refused(which):
    with pytest.raises(Altered):
        list(Lines(list(damaged(dump_lines(many())))[which]))


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 3), st.integers(0, 3))
def test_any_bytes_are_lines_or_refused(rest, count, blocks):
    try:
        found = list(Lines(struct.pack("<II", count, blocks) + rest))
    except Altered:
        return
    assert len(found) == count
