"""By which bytes a rule becomes a candidate: cheaply where it can be, and never at the price of a match."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.ips.literals import Literals, choose
from omamori.firmware.signatures.suricata import parse_rule
from tests.firmware.engine.ips.conftest import flow


def groups(*rules: str):
    return choose([parse_rule(rule) for rule in rules]).groups


@pytest.mark.parametrize(
    ("options", "table", "looked_up"),
    [
        ('content:"evil.example"; bsize:12;', "exact", b"evil.example"),
        ('content:"Evil.example"; nocase; startswith; endswith;', "exact", b"evil.example"),
        ('content:".evil.example"; endswith;', "suffix", b".evil.example"),
        ('dotprefix; content:".evil.example"; nocase; endswith;', "suffix", b".evil.example"),
        ('content:"evil.example"; endswith;', "ending", b".example"),
        ('content:"evil.example"; isdataat:!1,relative; endswith;', "ending", b".example"),
        ('content:"evil.example"; startswith;', "beginning", b"evil.exa"),
        ('content:"evil.example"; depth:12;', "beginning", b"evil.exa"),
    ],
)
@pytest.mark.parametrize("buffer", ["dns.query", "tls.sni", "http.host"])
def test_names_are_looked_up_by_hash(buffer, options, table, looked_up):
    protocol = buffer.split(".")[0]
    (group,) = groups(f"alert {protocol} any any -> any any ({buffer}; {options} sid:1;)").values()
    assert getattr(group, table) == {looked_up: [0]}
    assert not group.literals


def test_a_fingerprint_of_fixed_size_is_the_whole_buffer():
    digest = "0123456789abcdef0123456789abcdef"
    (group,) = groups(f'alert tls any any -> any any (ja3.hash; content:"{digest}"; sid:1;)').values()
    assert group.exact == {digest.encode(): [0]}


def test_bytes_that_repeat_themselves_do_not_stand_for_a_rule():
    (group,) = groups(
        'alert udp any any -> any any (content:"|00 00 00 00 00|"; offset:4; content:"|02 05 21 04|"; offset:9; sid:1;)'
    ).values()
    assert list(group.literals) == [(bytes.fromhex("02052104"), False)]


def test_a_long_beginning_is_searched_for_whole():
    (group,) = groups(
        'alert http any any -> any any (http.response_line; content:"HTTP/1.1 200 Strange"; startswith; sid:1;)'
    ).values()
    assert list(group.literals) == [(b"HTTP/1.1 200 Strange", False)]


@pytest.mark.parametrize(
    ("options", "buffer", "literal"),
    [
        ('http.request_line; content:"GET @"; depth:5;', "http.request_line", b"GET @"),
        ('http.content_type; content:"text/html"; endswith; file.data; content:"odd";', "file.data", b"odd"),
        (
            'http.stat_code; content:"200"; file.data; content:"<title>"; nocase; content:"&#";',
            "file.data",
            b"&#",
        ),
    ],
)
def test_what_every_message_has_does_not_stand_for_a_rule(options, buffer, literal):
    found = groups(f"alert http any any -> any any ({options} sid:1;)")
    assert {key: [each for each, _ in group.literals] for key, group in found.items()} == {buffer: [literal]}


def test_a_rule_of_nothing_but_common_words_is_found_by_one_of_them(asking):
    rules = asking('alert http any any -> any any (http.method; content:"GET"; bsize:3; sid:1;)')
    assert rules.message(http__method=b"GET") == [1]
    assert rules.message(http__method=b"PUT") == []


def test_short_literals_are_gated_by_port():
    rules = (
        'alert tcp any any -> any 21 (flow:to_server; content:"CWD"; sid:1;)',
        'alert tcp any 53 -> any any (flow:to_client; content:"|00 01|"; sid:2;)',
        'alert tcp any any -> any 21 (flow:to_server; content:"a longer one"; sid:3;)',
        'alert tcp any any -> any [21,!22] (flow:to_server; content:"abc"; sid:4;)',
        'alert tcp any any -> any $HTTP_PORTS (flow:to_server; content:"abd"; sid:5;)',
    )
    found = groups(*rules)
    assert set(found) == {"stream/to_server/d21", "stream/to_client/s53", "stream/to_server"}
    assert len(found["stream/to_server"].literals) == 3


def test_gated_rules_match_at_their_port_and_nowhere_else(asking):
    rules = (
        'alert tcp any any -> any 21 (content:"CWD"; sid:1;)',
        'alert tcp any 21 -> any any (content:"530"; sid:2;)',
    )
    at_its_port = asking(*rules, server_port=21, application="")
    assert at_its_port.stream(b"CWD /") == [1]
    assert at_its_port.stream(b"530 no", to_server=False) == [2]
    elsewhere = asking(*rules, server_port=2121, application="")
    assert elsewhere.stream(b"CWD /") == []
    assert elsewhere.stream(b"530 no", to_server=False) == []


def test_applications_are_searched_for_only_where_they_run():
    assert set(groups('alert http any any -> any any (content:"abcdefg"; sid:1;)')) == {
        "stream/to_server",
        "stream/to_client",
    }
    assert set(groups('alert quic any any -> any any (content:"abcdefg"; sid:1;)')) == {"packet/udp"}
    assert "packet/udp" in groups('alert dns any any -> any any (content:"abcdefg"; sid:1;)')


def test_a_long_literal_stands_for_its_rule_rather_than_a_short_chosen_one():
    (group,) = groups(
        'alert http any any -> any any (http.uri; content:"/a"; fast_pattern; content:"unlikely"; sid:1;)'
    ).values()
    assert list(group.literals) == [(b"unlikely", False)]


POSITIONS = st.sampled_from(
    ["", "startswith;", "endswith;", "startswith; endswith;", "offset:1;", "depth:4;", "offset:1; depth:5;", "bsize:4;", "nocase;",
     "nocase; endswith;", "nocase; startswith;", "distance:0;", "within:6;", "fast_pattern;"]
)  # fmt: skip
CONTENTS = st.lists(
    st.tuples(st.text("abB.", min_size=1, max_size=4), POSITIONS, st.sampled_from(["", "!"])),
    min_size=1,
    max_size=3,
)


@settings(max_examples=300)
@given(
    st.lists(CONTENTS, min_size=1, max_size=4), st.lists(st.text("abAB.", max_size=8), min_size=1, max_size=3)
)
def test_the_choice_of_literals_loses_no_match(contents, values):
    texts = [
        " ".join(
            f'content:{no}"{text}"; {"" if no and "fast" in where else where}' for text, where, no in each
        )
        for each in contents
    ]
    rules = [
        parse_rule(f"alert http any any -> any any (http.uri; {text} sid:{number + 1};)")
        for number, text in enumerate(texts)
    ]
    buffers = {"http.uri": [value.encode() for value in values]}
    asked = [RuleSet.build(rules), RuleSet(rules, Literals(unfiltered=list(range(len(rules)))), {})]
    told = [
        sorted(
            hit.sid
            for hit in each.evaluate(
                Inspection(Moment.TRANSACTION, 1.0, flow(), to_server=True, packet=None, buffers=buffers)
            )
        )
        for each in asked
    ]
    assert told[0] == told[1]
