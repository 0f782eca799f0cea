"""Buffers that come with message after message as one object: rules say of them what they would say of fresh ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.inspection import Inspection, Kept, Moment
from tests.firmware.engine.ips.conftest import Asking

_RULES = (
    'http.user_agent; content:"evil"; nocase;',
    'http.header; content:"Referer|3a|"; http.uri; content:"/a";',
    'http.method; content:"POST"; http.header; content:"evil";',
    'http.user_agent; content:!"good"; http.method; content:"GET";',
    'http.cookie; content:"id="; startswith; http.host; content:"b."; endswith;',
    'http.header_names; content:"|0d 0a|Cookie|0d 0a|"; http.request_line; pcre:"/^GET/";',
    'http.uri; content:"/a"; http.accept; content:"html"; http.request_body; content:"x";',
    'http.user_agent; bsize:4; http.uri; content:!"b";',
    'http.referer; dotprefix; content:".bad.example"; endswith;',
)
_NAMES = frozenset(
    ("http.header", "http.header_names", "http.user_agent", "http.cookie", "http.referer", "http.accept")
)
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "http.user_agent": st.sampled_from((b"evil", b"EVIL/2", b"good")),
        "http.header": st.sampled_from((b"Referer: x\r\n", b"X: evil\r\n", b"Cookie: id=1\r\n")),
        "http.header_names": st.just(b"\r\nHost\r\nCookie\r\n\r\n"),
        "http.cookie": st.sampled_from((b"id=1", b"no")),
        "http.referer": st.sampled_from((b"www.bad.example", b"notbad.example", b"bad.example")),
        "http.accept": st.sampled_from((b"text/html", b"*/*")),
    },
)
_LINES = st.fixed_dictionaries(
    {
        "http.method": st.sampled_from((b"GET", b"POST")),
        "http.uri": st.sampled_from((b"/a", b"/b", b"/ab")),
        "http.request_line": st.sampled_from((b"GET /a", b"POST /b")),
        "http.host": st.sampled_from((b"a.b.", b"c")),
    },
    optional={"http.request_body": st.just(b"x")},
)


@pytest.fixture(scope="module")
def asking_all():
    rules = Asking(
        *(
            f"alert http any any -> any any (flow:established,to_server; {rule} sid:{sid};)"
            for sid, rule in enumerate(_RULES, 1)
        )
    )
    return lambda buffers, number, kept: _asked(rules, buffers, number, kept)


@settings(max_examples=60)
@given(st.lists(_FIELDS, min_size=1, max_size=3), st.lists(st.tuples(st.integers(0, 2), _LINES), max_size=12))
def test_kept_buffers_are_judged_as_fresh_ones(asking_all, blocks, messages):
    kept = [Kept({name: [value] for name, value in block.items()}, _NAMES) for block in blocks]
    for number, (which, line) in enumerate(messages):
        block = kept[which % len(kept)]
        whole = {**block, **{name: [value] for name, value in line.items()}}
        found = [asking_all(whole, number, each) for each in (None, block)]
        assert found[0] == found[1]


def test_another_rule_set_looks_anew(asking):
    block = Kept({"http.user_agent": [b"evil"]}, _NAMES)
    for sid, word in ((1, "evil"), (2, "good"), (3, "vil")):
        rules = asking(f'alert http any any -> any any (http.user_agent; content:"{word}"; sid:{sid};)')
        wanted = [sid] if word in "evil" else []
        for number in range(2):
            assert _asked(rules, dict(block), number, block) == wanted


def test_methods_with_the_same_fields_are_bounded_and_right(asking):
    rules = asking(
        'alert http any any -> any any (http.user_agent; content:"evil"; http.host; content:"x"; sid:1;)'
    )
    block = Kept({"http.user_agent": [b"evil"]}, _NAMES)
    for number in range(200):
        host = b"%d%b" % (number, b"x" * (number % 2))
        found = _asked(rules, {**block, "http.host": [host]}, number, block)
        assert found == ([1] if number % 2 else [])
    assert len(block.rule_memory[1]) <= 16


def _asked(rules, buffers, number, kept):
    inspection = Inspection(
        Moment.TRANSACTION,
        1000.0 + number,
        rules.flow,
        to_server=True,
        packet=None,
        buffers=buffers,
        transaction=number,
        kept=kept,
    )
    rules.flow.rule_memory.clear()
    return sorted(hit.sid for hit in rules.rules.evaluate(inspection))


def test_what_repeated_values_tell_is_not_asked_again_but_state_is(asking):
    """The buffers of the first rule are known to match; its conditions of flow and bits are asked with each message."""
    rules = asking(
        'alert http any any -> any any (flowbits:isset,ready; http.host; pcre:"/^a+$/"; sid:1;)',
        'alert http any any -> any any (http.uri; content:"/set"; flowbits:set,ready; sid:2;)',
        'alert http any any -> any any (flow:to_client; http.method; content:"GET"; sid:3;)',
    )
    asked = [
        rules.message(http__host=host, http__method=b"GET", http__uri=uri)
        for host, uri in ((b"aa", b"/x"), (b"aa", b"/set"), (b"aa", b"/x"), (b"ab", b"/x"), (b"aa", b"/x"))
    ]
    assert asked == [[], [1, 2], [1], [], [1]]
    assert rules.message(http__method=b"GET", to_server=False) == [3]
