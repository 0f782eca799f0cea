"""A direction comes out the same, however it was cut, repeated and shuffled on the way."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.reassembly import Piece, Reassembly

LIMIT = 1 << 16


def delivered(half, segments, limit=LIMIT, *, strict=True):
    return [piece for sequence, data in segments for piece in half.push(sequence, data, limit, strict=strict)]


@st.composite
def cut_and_shuffled(draw):
    data = draw(st.binary(min_size=1, max_size=200))
    start = draw(st.sampled_from([0, 1, 2**31 - 50, 2**32 - 60, 2**32 - 1]))
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=12))})
    segments = [(begin, data[begin:end]) for begin, end in pairwise(cuts)]
    overlaps = draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(1, 60)), max_size=6))
    segments += [(begin, data[begin : begin + size]) for begin, size in overlaps]
    shuffled = draw(st.permutations(segments))
    return data, start, [((start + begin) % 2**32, part) for begin, part in shuffled]


@given(cut_and_shuffled())
@settings(max_examples=300)
def test_any_order_gives_the_same_bytes(case):
    data, start, segments = case
    half = Reassembly()
    half.begin(start)
    pieces = delivered(half, segments)
    assert b"".join(piece.data for piece in pieces) == data
    assert [piece.missing for piece in pieces] == [0] * len(pieces)
    offset = 0
    for piece in pieces:
        assert piece.offset == offset
        offset += len(piece.data)
    assert half.held == 0


def test_what_came_first_wins():
    half = Reassembly()
    half.begin(100)
    pieces = delivered(half, [(103, b"DEF"), (102, b"xyzq!!!"), (100, b"ABC")])
    assert b"".join(piece.data for piece in pieces) == b"ABxDEF!!!"


def test_a_hole_is_skipped_when_too_much_waits_behind_it():
    half = Reassembly()
    half.begin(0)
    pieces = delivered(half, [(0, b"ab"), (10, b"k" * 60), (70, b"l" * 60)], limit=100)
    assert pieces[0] == Piece(0, 0, b"ab")
    assert pieces[1] == Piece(10, 8, b"k" * 60)
    assert pieces[2] == Piece(70, 0, b"l" * 60)


def test_a_hole_is_skipped_when_the_receiver_has_acknowledged_it():
    half = Reassembly()
    half.begin(0)
    assert delivered(half, [(5, b"later")]) == []
    assert half.acknowledged(0) == []
    assert half.acknowledged(10) == [Piece(5, 5, b"later")]


def test_a_hole_that_was_acknowledged_before_anything_came_behind_it_is_skipped_with_what_comes():
    half = Reassembly()
    half.begin(0)
    assert half.acknowledged(5, unseen=True) == []
    assert delivered(half, [(5, b"later")], strict=False) == [Piece(5, 5, b"later")]


def test_where_nothing_passed_unseen_an_acknowledgement_of_what_was_not_sent_is_nothing():
    half = Reassembly()
    half.begin(0)
    assert half.acknowledged(5) == []
    assert delivered(half, [(5, b"later"), (0, b"first")]) == [Piece(0, 0, b"first"), Piece(5, 0, b"later")]


def test_of_a_hole_only_what_was_acknowledged_is_skipped():
    half = Reassembly()
    half.begin(0)
    assert delivered(half, [(5, b"later")]) == []
    assert half.acknowledged(3, unseen=True) == []
    assert delivered(half, [(3, b"!!")], strict=False) == [Piece(3, 3, b"!!"), Piece(5, 0, b"later")]


def test_the_end_is_known_in_any_order():
    half = Reassembly()
    half.begin(0)
    half.finish(5)
    assert not half.finished
    delivered(half, [(3, b"de"), (0, b"abc")])
    assert half.finished


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=30)), max_size=60))
@settings(max_examples=150)
def test_any_sequence_numbers_stay_within_bounds(segments):
    half = Reassembly()
    for piece in delivered(half, segments, limit=64):
        assert piece.missing >= 0
    assert half.held <= 64
    assert half.held == sum(len(data) for data in half._pending)


def test_bytes_sent_one_by_one_are_compared_as_cheaply_as_others():
    """What is kept for comparison is looked through for each second copy: its parts, not only its bytes, are few."""
    half = Reassembly()
    half.begin(0)
    for at in range(10_000):
        half.push(at, b"a", LIMIT)
    assert len(list(half._near(0, 1))) < 100
    assert half.first_seen(5_000, b"ba") == b"aa"
    assert half.first_seen(5_000, b"aa") is None
