"""What rules remember: flowbits, xbits, flowints, thresholds."""

import pytest

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.ips.state import Bounded
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import parse_rule
from tests.firmware.engine.conversation import Tcp, Unit


def uri(asking, *rules, **facts):
    return asking(*(f"alert http any any -> any any ({rule})" for rule in rules), **facts)


def test_setters_come_before_those_that_ask(asking):
    rules = uri(
        asking,
        'http.uri; content:"ab"; flowbits:isset,two; sid:1;',
        'http.uri; content:"ab"; flowbits:isset,one; flowbits:set,two; sid:2;',
        'http.uri; content:"ab"; flowbits:set,one; flowbits:noalert; sid:3;',
    )
    assert rules.message(http__uri=b"ab") == [1, 2]


def test_bits_belong_to_their_flow(asking):
    rules = uri(
        asking,
        'http.uri; content:"set"; flowbits:set,x; sid:1;',
        'http.uri; content:"ask"; flowbits:isset,x; sid:2;',
    )
    assert rules.message(http__uri=b"ask") == []
    assert rules.message(http__uri=b"set") == [1]
    assert rules.message(http__uri=b"ask") == [2]


@pytest.mark.parametrize(
    ("bits", "asked", "expected"),
    [
        (set(), "isset,a", False),
        ({"a"}, "isset,a", True),
        ({"b"}, "isset,a|b", True),
        ({"a"}, "isnotset,a", False),
        ({"a"}, "isnotset,a|b", True),
        ({"a", "b"}, "isnotset,a|b", False),
    ],
)
def test_asking_for_bits(asking, bits, asked, expected):
    rules = uri(asking, f'http.uri; content:"ab"; flowbits:{asked}; sid:1;', flowbits=bits)
    assert rules.message(http__uri=b"ab") == ([1] if expected else [])


def test_toggle_and_unset(asking):
    rules = uri(
        asking,
        'http.uri; content:"t"; bsize:2; content:"tt"; flowbits:toggle,x; sid:1;',
        'http.uri; content:"un"; flowbits:unset,x; sid:2;',
    )
    rules.message(http__uri=b"tt")
    assert rules.flow.flowbits == {"x"}
    rules.message(http__uri=b"un")
    assert rules.flow.flowbits == set()


def test_xbits_outlive_the_flow_until_they_expire(asking):
    rules = uri(
        asking,
        'http.uri; content:"set"; xbits:set,x,track ip_src,expire 60; sid:1;',
        'http.uri; content:"ask"; xbits:isset,x,track ip_src; sid:2;',
    )
    rules.message(http__uri=b"set")
    rules.now += 59
    assert rules.message(http__uri=b"ask") == [2]
    rules.now += 2
    assert rules.message(http__uri=b"ask") == []


def test_xbits_expire_where_the_clock_is_set_back(asking):
    rules = uri(
        asking,
        'http.uri; content:"set"; xbits:set,x,track ip_src,expire 10; sid:1;',
        'http.uri; content:"ask"; xbits:isset,x,track ip_src; sid:2;',
    )
    rules.now = 1.9e9
    rules.message(http__uri=b"set")
    rules.now = 1.7e9
    assert rules.message(http__uri=b"ask") == []


def test_flowints_count(asking):
    rules = uri(
        asking,
        'http.uri; content:"ab"; flowint:n,notset; flowint:n,=,1; sid:1;',
        'http.uri; content:"ab"; flowint:n,isset; flowint:n,+,1; flowint:n,>,1; sid:2;',
    )
    told = [rules.message(http__uri=b"ab") for _ in range(4)]
    assert told[0][0] == 1
    assert rules.flow.flowints["n"] >= 1


def repeated(rules, times, step=1.0):
    told = []
    for _ in range(times):
        told.append(bool(rules.message(http__uri=b"ab")))
        rules.now += step
    return told


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (
            "threshold:type limit, track by_src, count 2, seconds 60;",
            [True, True, False, False, False, False],
        ),
        (
            "threshold:type threshold, track by_src, count 3, seconds 60;",
            [False, False, True, False, False, True],
        ),
        (
            "threshold:type both, track by_src, count 2, seconds 60;",
            [False, True, False, False, False, False],
        ),
        ("threshold:type limit, track by_src, count 1, seconds 3;", [True, False, False, False, True, False]),
        ("threshold:type threshold, track by_rule, count 1, seconds 9;", [True] * 6),
        # the window goes on after an alert; what is left in a new one counts from one
        (
            "threshold:type threshold, track by_src, count 2, seconds 2;",
            [False, True, False, False, True, False],
        ),
        ("threshold:type both, track by_both, count 1, seconds 2;", [True, False, False, True, False, False]),
        ("detection_filter:track by_dst, count 1, seconds 1;", [False, True, False, True, False, True]),
        ("detection_filter:track by_src, count 2, seconds 60;", [False, False, True, True, True, True]),
    ],
)
def test_thresholds(asking, option, expected):
    rules = uri(asking, f'http.uri; content:"ab"; {option} sid:1;')
    assert repeated(rules, 6) == expected


@pytest.mark.parametrize("action", ["alert", "drop"])
@pytest.mark.parametrize("kind", ["limit", "both"])
def test_a_threshold_bounds_what_is_told_not_what_is_blocked(action, kind):
    rule = (
        f'{action} http any any -> any any (msg:"ET MALWARE beacon"; http.uri; content:"/beacon"; '
        f"threshold:type {kind},track by_src,count 1,seconds 600; classtype:trojan-activity; sid:1;)"
    )
    unit = Unit(Engine(Signatures(RuleSet.build([parse_rule(rule)]))))
    for port in (40_000, 40_001, 40_002):
        talk = Tcp(client_port=port)
        unit.feed(talk.handshake() + talk.say(b"GET /beacon HTTP/1.1\r\nHost: c2\r\n\r\n", to_server=True))
        assert unit.last == "Block"
    assert len(unit.engine.take_detections()) == 1


@pytest.mark.parametrize(
    "option",
    [
        "threshold:type limit, track by_src, count 1, seconds 60;",
        "threshold:type both, track by_src, count 1, seconds 60;",
    ],
)
def test_a_window_ends_where_the_clock_is_set_back(asking, option):
    rules = uri(asking, f'http.uri; content:"ab"; {option} sid:1;')
    rules.now = 1.9e9
    assert repeated(rules, 2) == [True, False]
    rules.now = 1.7e9
    assert repeated(rules, 2) == [True, False]


def test_by_both_is_the_pair_and_by_flow_the_flow(asking):
    rules = uri(
        asking,
        'http.uri; content:"ab"; threshold:type limit, track by_both, count 1, seconds 60; sid:1;',
        'http.uri; content:"ab"; threshold:type limit, track by_flow, count 1, seconds 60; sid:2;',
    )
    assert rules.message(http__uri=b"ab") == [1, 2]
    rules.flow.client, rules.flow.server = rules.flow.server, rules.flow.client
    rules.flow.client_port += 1
    assert rules.message(http__uri=b"ab") == [2]


def test_a_rule_without_bytes_sees_the_bits_of_the_same_packets_stream():
    """Suricata asks all rules of a packet in order: one that sets a bit by payload comes before those that ask for it."""
    rules = (
        "alert tcp any any -> any any (flow:to_server,established; flowbits:isset,x; sid:1;)",
        "alert tcp any any -> any any (flow:to_server,established; flowbits:isnotset,x; sid:2;)",
        'alert tcp any any -> any any (flow:to_server; content:"HELLO "; flowbits:set,x; sid:3;)',
    )
    parsed = [parse_rule(rule) for rule in rules]
    unit = Unit(Engine(Signatures(rules=RuleSet.build(parsed)), Settings(repeat=True)))
    talk = Tcp()
    unit.feed(talk.handshake() + talk.say(b"HELLO there", to_server=True))
    assert sorted(each.signature_id for each in unit.engine.take_detections()) == ["1:1", "1:3"]


def test_memory_is_bounded():
    memory = Bounded()
    for number in range(70_000):
        memory.keep(number, 1.0)
    assert sum(memory.get(number) is not None for number in range(70_000)) == 65_536
    assert memory.get(0) is None
    assert memory.get(69_999) == 1.0


def test_a_bit_that_was_taken_away_is_set_again(asking):
    """A rule that would only set bits which are there is not looked at; that must not outlive them."""
    rules = uri(
        asking,
        'http.uri; content:"set"; flowbits:set,x; flowbits:noalert; sid:1;',
        'http.uri; content:"take"; flowbits:unset,x; flowbits:noalert; sid:2;',
        'http.uri; content:"ask"; flowbits:isset,x; sid:3;',
    )
    for path, expected in (
        (b"set", []),
        (b"set", []),
        (b"ask", [3]),
        (b"take", []),
        (b"ask", []),
        (b"set", []),
        (b"ask", [3]),
    ):
        assert rules.message(http__uri=path) == expected
