"""How updates are fetched: what can be chosen, and in which spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omamori.protocol.errors import FetchingError
from omamori.protocol.fetching import LONGEST_MIRROR, Fetching, checked


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", ""),
        ("  ", ""),
        ("http://192.168.1.5", "http://192.168.1.5"),
        (" http://192.168.1.5:8080/omamori/ ", "http://192.168.1.5:8080/omamori"),
        ("https://NAS.example/Updates/tuf", "https://nas.example/Updates/tuf"),
        ("HTTP://nas", "http://nas"),
        ("http://[fd00::5]:80/x", "http://[fd00::5]:80/x"),
        ("http://[fd00::5]", "http://[fd00::5]"),
    ],
)
def test_a_mirror_has_one_spelling(typed, kept):
    assert checked(Fetching(mirror=typed)) == Fetching(mirror=kept)
    assert checked(Fetching(mirror=kept)) == Fetching(mirror=kept)


@pytest.mark.parametrize(
    "typed",
    [
        "nas",
        "ftp://nas/x",
        "file:///etc",
        "http://",
        "http:///x",
        "http://user:pass@nas/x",
        "http://nas/x?y",
        "http://nas/x#y",
        "http://nas:99999/",
        "http://nas:x/",
        "http://nas:/",
        "http://[fd00::5/",
        "http://na s/",
        "http://nas/\r\nx",
        "http://nas/a//b",
        "http://例え.jp/x",
        "http://nas/" + "x" * LONGEST_MIRROR,
    ],
)
def test_what_is_no_mirror_is_refused(typed):
    with pytest.raises(FetchingError, match="not the address of a mirror"):
        checked(Fetching(mirror=typed))


@pytest.mark.parametrize("rate", [1, 16383, -5, 10**11])
def test_a_senseless_rate_is_refused(rate):
    with pytest.raises(FetchingError, match="at least 16,384 bytes a second"):
        checked(Fetching(rate))


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"http://{text}"))
def test_any_text_is_kept_in_one_spelling_or_refused(typed):
    try:
        kept = checked(Fetching(mirror=typed))
    except FetchingError:
        return
    assert checked(kept) == kept
    assert kept.mirror.isascii()
