"""Regular expressions mean what PCRE means, and cost no more than their budget."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.ips import pcre2
from omamori.firmware.engine.ips.expressions import BUDGET, RAISED, Expression, gate
from omamori.firmware.engine.ips.rule import Regex
from omamori.firmware.signatures.rulefiles import read_rules

CALM = 5.0
"""Seconds of processor time that no single question may take: a budget is milliseconds, catastrophe is minutes."""


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (rb"a\x2fb", b"a/b", True),
        (rb"a\/b\;\:", b"a/b;:", True),
        (rb"[[:alpha:]]+[[:digit:]]", b"abc1", True),
        (rb"[^[:space:]]", b" \t", False),
        (rb"\h+x", b"\t x", True),
        (rb"a\Rb", b"a\r\nb", True),
        (rb"\Qa.b\Ec", b"axbc", False),
        (rb"a(?i)b", b"aB", True),
        (rb"(?:a(?i)b)c", b"aBC", False),
        (rb"(?<n>a)\k<n>", b"aa", True),
        (rb"(?<=a|bc)d", b"bcd", True),
        (rb"(?<!a|bc)d", b"bcd", False),
        (rb"x{y}", b"x{y}", True),
        (rb"a\Z", b"a\n", True),
        (rb"a\z", b"a\n", False),
        (rb"\101", b"A", True),
        (rb"(?>a+)b", b"aab", True),
        (rb"a\Kb", b"ab", True),
        (rb"^(?:a(?R)?b)$", b"aab", False),
        (rb"(?|(a)|(b))\1", b"bb", True),
        (b"\xe9", b"\xe9", True),
    ],
)
def test_the_language_is_pcre(pattern, text, expected):
    assert Expression(pattern, 0).found(text) is expected


@pytest.mark.parametrize(
    ("flags", "pattern", "text", "expected"),
    [
        (pcre2.CASELESS, b"abc", b"xABC", True),
        (0, b"a.c", b"a\nc", False),
        (pcre2.DOTALL, b"a.c", b"a\nc", True),
        (0, b"^c", b"a\nc", False),
        (pcre2.MULTILINE, b"^c", b"a\nc", True),
        (pcre2.EXTENDED, b"a b # c", b"ab", True),
        (pcre2.ANCHORED, b"b", b"ab", False),
        (pcre2.DOLLAR_ENDONLY, b"a$", b"a\n", False),
        (0, b"a$", b"a\n", True),
    ],
)
def test_flags_mean_the_same_with_and_without_a_gate(flags, pattern, text, expected):
    assert Expression(pattern, flags).found(text) is expected
    filter_ = gate(pattern, flags)
    assert filter_ is not None
    seen = filter_.sees(text, 0)
    assert seen is expected if filter_.exact else seen or not expected


def test_an_ungreedy_search_ends_early():
    assert Expression(b"a+", pcre2.UNGREEDY).search(b"xaaa") == (1, 2)
    assert Expression(b"a+", 0).search(b"xaaa") == (1, 4)


@pytest.mark.parametrize("pattern", [b"(", b"[a", b"a**", b"(?Z)", b"\\", b"(?<=a+)b", b"(*NONSENSE)a"])
def test_what_is_no_expression_is_refused_with_its_place(pattern):
    with pytest.raises(pcre2.ExpressionError) as told:
        Expression(pattern, 0)
    assert str(told.value)
    assert 0 <= told.value.at <= len(pattern)


EXPONENTIAL = [
    (rb"^(\w+\s?)*(?!x)$", b"a" * 4095 + b"!"),
    (rb"(a|aa)+\1$", b"a" * 4095 + b"!"),
    (rb"(?<v>[^=\s]*)\s*=\s*0x1.+?\(\s*\1\)", (b"a" * 40 + b"=") * 100 + b"=0x1"),
    (rb"(x+x+)+y(?=z)", b"x" * 4096),
]


@pytest.mark.parametrize(("pattern", "data"), EXPONENTIAL)
def test_catastrophes_end_with_their_budget(pattern, data):
    expression = Expression(pattern, 0)
    for _ in range(4):
        begun = time.thread_time()
        assert not expression.found(data)
        assert expression.taken <= BUDGET
        assert time.thread_time() - begun < CALM


def test_what_the_budget_ends_is_answered_by_the_gate_from_the_first_time():
    expression = Expression(rb"\w+,\w+;", 0)
    hidden = b"a" * 4000 + b"!" + b"b,c;"
    for _ in range(3):
        assert expression.found(hidden)
        assert not expression.found(b"a" * 4000 + b"!b,c")
        assert expression.taken <= BUDGET


def test_a_match_that_the_gate_sees_is_searched_for_at_more_cost():
    expression = Expression(rb"\d[^=]{0,9}=b", 0)
    hidden = b"1" * 12_000 + b"!=b"
    for _ in range(3):
        assert expression.search(hidden) == (11_991, 12_003)
        assert BUDGET < expression.taken <= RAISED
        assert expression.search(hidden[:-1]) is None
        assert expression.taken <= BUDGET


def test_a_gate_that_is_wrong_does_not_hide_what_is_soon_found():
    """Hyperscan 5.4 sees no match here."""
    expression, data = Expression(rb"/\d+$", 0), b"GET /a.php?id=1&x=2 /0"
    assert not expression.found(b"/1" * 20_000 + b"x")
    assert expression.found(data)
    assert expression.search(data) == (20, 22)


@pytest.mark.parametrize("letter", [b"a", b"x"])
@pytest.mark.parametrize("pattern", [rb"(a+)+b|^(?:x|y*)*z$", rb"(a+)+b", rb"a+b|^x*z$"])
def test_no_expression_ends_the_process(pattern, letter):
    """Hyperscan 5.4.12 did, where it was to tell where matches begin."""
    code = (
        "from omamori.firmware.engine.ips.expressions import gate\n"
        f"print(gate({pattern!r}, 8).sees({letter!r} * 1000, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


@pytest.mark.xfail(strict=True, reason="Hyperscan 5.4.12 sees it only where it may end the process")
def test_a_rule_finds_far_down_in_a_long_body_what_is_costly_to_search(asking):
    options = 'content:"MARK"; pcre:"/\\s[^\\s]+\\s*=\\s*unescape/i"; content:"evil"; distance:2; within:4;'
    rule = asking(f"alert http any any -> any any (file.data; {options} sid:1;)")
    script = b"function f(a,b){var x=a+b;return x*2;}\n" * 1000
    assert rule.message(file__data=script + b"MARK") == []
    assert rule.message(file__data=script + b' var abcdef12 = unescape("evil9") MARK') == [1]


def test_matches_behind_an_index():
    """What an earlier moment showed does not count again."""
    for expression in (Expression(rb"ab", 0), Expression(rb"a(?=b)b", 0)):
        assert expression.found(b"ab..ab", 2)
        assert not expression.found(b"ab..a", 2)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["a", "b", "[ab]", "(?:ab|a)", ".", "\\w", "^", "$", "a+", "b*?", "(a)", "[^a]{1,2}"]), max_size=7),
    st.text(alphabet="abc\n", max_size=12),
)  # fmt: skip
def test_what_python_and_pcre_share_is_found_alike(parts, text):
    pattern, data = "".join(parts).encode(), text.encode()
    expression = Expression(pattern, 0)
    expected = re.search(pattern, data)
    assert expression.search(data) == (expected.span() if expected else None)
    filter_ = gate(pattern, 0)
    if filter_ is not None and filter_.exact:
        assert filter_.sees(data, 0) is (expected is not None)


@settings(max_examples=400)
@given(
    st.text(alphabet=st.sampled_from(list("ab()[]{}?*+\\|^$.<>=!:-#&iQEKRxhkC01,")), max_size=20),
    st.binary(max_size=200),
    st.integers(1, 20),
)
def test_any_text_is_an_expression_or_refused_and_bounded(pattern, data, times):
    try:
        expression = Expression(pattern.encode(), 0)
    except pcre2.ExpressionError as reason:
        assert str(reason)  # noqa: PT017 - either outcome is right
        return
    expression.found(data * times)
    assert expression.taken <= BUDGET


@pytest.mark.corpus
def test_public_expressions_stay_calm_under_hostile_data():
    """Each expression of the public rules against data that pumps what it repeats."""
    folder = os.environ.get("OMAMORI_CORPUS")
    if not folder:
        pytest.skip("OMAMORI_CORPUS is not set: the public rules are not there")
    rules = read_rules([Path(folder) / "rules"], with_disabled=True).rules
    unique = {
        (step.expression, step.flags)
        for rule in rules
        for section in rule.sections
        for step in section.steps
        if isinstance(step, Regex)
    }
    assert len(unique) > 1000
    for text, flags in sorted(unique):
        expression = Expression(text, flags)
        for data in _hostile(text):
            begun = time.thread_time()
            expression.found(data)
            assert time.thread_time() - begun < CALM, text


def _hostile(pattern: bytes) -> list[bytes]:
    """Long runs of what the pattern names literally, of its first classes, and of white space, none of them ended."""
    literal = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda found: bytes.fromhex(found[1].decode()), pattern)
    words = re.findall(
        rb"[A-Za-z0-9 =<>(\"'/&.;:,]+", re.sub(rb"\[[^\]]*\]|\\.|\{[^}]*\}|[()?*+^$|]", b" ", literal)
    )
    known = b"".join(word.strip() + b" " for word in words)[:200] or b"a"
    whole = (known * (4096 // len(known) + 1))[:4095]
    return [whole + b"\xff", (known[:20] + b"a" * 300) * 12, b" " * 4095 + b"\xff", known + b"a" * 3900]
