"""PCRE in rules means the same in Python."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.signatures.suricata.pcre import Untranslatable, translate


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"a\x2fb", b"a/b", True),
        (r"a\/b\;\:", b"a/b;:", True),
        (r"[[:alpha:]]+[[:digit:]]", b"abc1", True),
        (r"[^[:space:]]", b" \t", False),
        (r"\h+x", b"\t x", True),
        (r"a\Rb", b"a\r\nb", True),
        (r"\Qa.b\Ec", b"a.bc", True),
        (r"\Qa.b\Ec", b"axbc", False),
        (r"a(?i)b", b"aB", True),
        (r"a(?i)b", b"AB", False),
        (r"(?:a(?i)b)c", b"aBC", False),
        (r"(?i:a)b", b"Ab", True),
        (r"(?<n>a)\k<n>", b"aa", True),
        (r"(a)\g{1}", b"aa", True),
        (r"(?<=a|bc)d", b"bcd", True),
        (r"(?<!a|bc)d", b"bcd", False),
        (r"(?<!a|bc)d", b"xd", True),
        (r"a{,3}", b"a{,3}", True),
        (r"a{2,3}b", b"aaab", True),
        (r"x{y}", b"x{y}", True),
        (r"a\Z", b"a\n", True),
        (r"a\z", b"a\n", False),
        (r"[a\]b]", b"]", True),
        (r"[]a]", b"]", True),
        (r"[a&&b]", b"&", True),
        (r"[\x00-\x1f]", b"\x01", True),
        (r"\0", b"\x00", True),
        (r"\101", b"A", True),
        (r"a(?#note)b", b"ab", True),
        (r"(?>a+)b", b"aab", True),
        (r"a++b", b"aab", True),
        (r"\e", b"\x1b", True),
        ("\xe9", b"\xe9", True),
    ],
)
def test_same_matches(pattern, text, expected):
    assert bool(re.search(translate(pattern), text)) is expected


@pytest.mark.parametrize(
    "pattern", ["(", ")", "[a", "a**", r"(?R)", r"a\Kb", r"(*FAIL)", r"(?|a|b)", "\\", r"\pL", "(?<=a+)b"]
)
def test_what_cannot_be_said_is_refused(pattern):
    with pytest.raises(Untranslatable):
        translate(pattern)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab()[]{}?*+\\|^$.<>=!:-#&iQEKRxhk01,")), max_size=16))
def test_any_text_is_a_pattern_or_refused(pattern):
    try:
        re.compile(translate(pattern))
    except Untranslatable as reason:
        assert str(reason)  # noqa: PT017 - either outcome is right
