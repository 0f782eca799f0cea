"""What rules ask of a flow as a whole, through the engine: stream_size, flow.age, flow.pkts, flow states."""

import pytest

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import parse_rule
from tests.firmware.engine.conversation import Tcp, Unit


def unit(*options: str, midstream: bool = True) -> Unit:
    rules = [
        parse_rule(f"alert tcp any any -> any any ({each} sid:{number};)")
        for number, each in enumerate(options, 1)
    ]
    return Unit(
        Engine(Signatures(rules=RuleSet.build(rules)), Settings(repeat=True, midstream=midstream)),
    )


def told(unit: Unit) -> list[str]:
    return [each.signature_id.partition(":")[2] for each in unit.engine.take_detections()]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("client,=,11", True),
        ("client,>,11", False),
        ("client,>=,11", True),
        ("server,=,1", True),
        ("both,>,0", True),
        ("both,>,1", False),
        ("either,>,10", True),
        ("server,!=,1", False),
    ],
)
def test_stream_size_counts_sequence_numbers(option, expected):
    """A SYN takes one, as each byte of data does (RFC 9293, 3.4)."""
    engine = unit(f'flow:to_server; stream_size:{option}; content:"0123456789"; depth:10;')
    talk = Tcp()
    engine.feed(talk.handshake() + talk.say(b"0123456789", to_server=True))
    assert bool(told(engine)) is expected


def test_flow_age_is_in_seconds():
    engine = unit('flow:to_server; flow.age:>9; content:"late";')
    talk = Tcp()
    engine.feed(talk.handshake() + talk.say(b"late", to_server=True))
    assert told(engine) == []
    engine.now += 10
    engine.feed(talk.say(b"late", to_server=True))
    assert told(engine) == ["1"]


def test_the_last_packet_of_a_handshake_is_not_yet_established():
    engine = unit("flow:to_server,established;", "flow:to_server,not_established;")
    talk = Tcp()
    engine.feed(talk.handshake())
    assert told(engine) == ["2", "2"]
    engine.feed(talk.say(b"data", to_server=True))
    assert told(engine) == ["1"]


def test_a_connection_that_is_not_followed_is_seen_packet_by_packet():
    """Where the opening was not seen and need not be made up for, as Suricata has it by default."""
    options = ('flow:established; content:"needle";', 'content:"needle";', 'content:"haynee";')
    talk = Tcp()
    packets = talk.say(b"hay", to_server=True) + talk.say(b"needle", to_server=True)
    alone = unit(*options, midstream=False)
    alone.feed(packets)
    assert told(alone) == ["2"]
    followed = unit(*options)
    followed.feed(packets)
    assert sorted(told(followed)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("option", "flags", "expected"),
    [
        ("flags:S;", 0x02, True),
        ("flags:S;", 0x12, False),
        ("flags:+S;", 0x12, True),
        ("flags:*SF;", 0x12, True),
        ("flags:!SA;", 0x12, False),
        ("flags:!SA;", 0x02, True),
        ("flags:!S;", 0x18, True),
        ("flags:S,CE;", 0xC2, True),
        ("flags:0;", 0x00, True),
    ],
)
def test_flags(option, flags, expected):
    engine = unit(f"flow:stateless; {option}")
    engine.feed([Tcp().packet(to_server=True, flags=flags)])
    assert bool(told(engine)) is expected


@pytest.mark.parametrize(
    ("request_", "answer", "expected"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"\x00\x01\x02 of no protocol\r\n" * 100, b"\x00\x01\x02 of none either\r\n" * 100, True),
    ],
)
def test_another_protocol_than_named_is_one_that_is_known(request_, answer, expected):
    engine = unit("flow:established,to_server; app-layer-protocol:!http;")
    talk = Tcp()
    engine.feed(talk.handshake() + talk.say(request_, to_server=True))
    assert told(engine) == []
    engine.feed(talk.say(answer, to_server=False) + talk.say(b"more", to_server=True))
    assert bool(told(engine)) is expected
