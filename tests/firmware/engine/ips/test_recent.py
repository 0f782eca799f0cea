"""A stream's window is searched once for each byte; rules whose parts come far apart are found all the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

_RULE = 'alert tcp any any -> any 80 (content:"first"; content:"second"; fast_pattern; sid:1;)'


def _window(parts, asking):
    """Fires at which part."""
    told, window, at = [], b"", 0
    for number, part in enumerate(parts):
        at += max(0, len(window) - 8192)
        window = window[-8192:] + part
        if asking.stream(window, fresh=len(window) - len(part), at=at):
            told.append(number)
    return told


def test_the_rest_of_a_rule_may_come_long_after_its_literal(asking):
    assert _window([b"second" + b"." * 3000, b"." * 3000, b"first"], asking(_RULE)) == [2]


def test_what_left_the_window_is_forgotten(asking):
    assert _window([b"second" + b"." * 3000, b"." * 9000, b"first"], asking(_RULE)) == []


def test_many_small_segments_with_matches_are_bounded_and_found(asking):
    rule = asking(_RULE)
    assert _window([b"second "] * 300 + [b"first"], rule) == [300]


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(1, 60), max_size=8), gap=st.integers(0, 40))
def test_a_match_is_found_however_the_stream_is_cut(cuts, gap):
    from tests.firmware.engine.ips.conftest import Asking

    data, parts = b"x" * gap + b"second" + b"-" * gap + b"first" + b"y", []
    for size in cuts:
        parts.append(data[:size])
        data = data[size:]
    assert len(_window([*filter(None, parts), data], Asking(_RULE))) == 1
