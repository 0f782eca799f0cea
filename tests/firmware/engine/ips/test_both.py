"""Packets and their stream are searched once for both: no rule is missed, however the bytes come."""

import gc

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.ips.literals import Literals
from omamori.firmware.engine.packet import Packet
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import parse_rule
from tests.firmware.engine.conversation import Tcp, Unit

_RULES = (
    'alert tcp any any -> any 9999 (content:"first"; content:"second"; distance:0; sid:1;)',
    'alert tcp any any -> any 9999 (content:"second"; dsize:>3; sid:2;)',
    'alert tcp-pkt any any -> any 9999 (content:"second"; sid:3;)',
    'alert tcp any any -> any 9999 (content:"first"; depth:5; sid:4;)',
    'alert tcp-stream any any -> any 9999 (content:"word"; nocase; sid:5;)',
    'alert tcp any any -> any 9999 (flow:to_server; content:"ab"; sid:6;)',
    'alert tcp any any -> any 9999 (content:!"first"; content:"third"; sid:7;)',
)
_TEXT = st.lists(
    st.sampled_from(("first", "second", "third", "WORD", "a", "b", "ab", "xx", "sec", "ond")),
    min_size=1,
    max_size=8,
).map(lambda words: "".join(words).encode())


def _engine(*, searched):
    """Unsearched: each rule is a candidate at all its moments, and only what confirms it speaks."""
    rules = [parse_rule(rule) for rule in _RULES]
    if searched:
        asked = RuleSet.build(rules)
    else:
        asked = RuleSet(rules, Literals(unfiltered=list(range(len(rules)))), {})
    return Engine(Signatures(rules=asked), Settings(repeat=True, mode=Mode.OBSERVE))


def _told(engine, packets):
    unit, told = Unit(engine), []
    for packet in packets:
        unit.feed([packet])
        told.append(sorted(each.signature_id for each in engine.take_detections()))
    return told


@settings(max_examples=300, deadline=None)
@given(
    text=_TEXT,
    answer=_TEXT,
    cuts=st.lists(st.integers(1, 9), max_size=8),
    swaps=st.lists(st.integers(0, 8), max_size=4),
    again=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 12)), max_size=3),
)
def test_no_rule_is_missed(text, answer, cuts, swaps, again):
    talk = Tcp(server_port=9999)
    packets, start, at, parts = talk.handshake(), talk.sequences[True], 0, []
    for size in [*cuts, len(text)]:
        if text[at : at + size]:
            parts.append((at, text[at : at + size]))
        at += size
    for index in swaps:
        if index + 1 < len(parts):
            parts[index], parts[index + 1] = parts[index + 1], parts[index]
    parts += [(at, text[at : at + size]) for at, size in again if text[at : at + size]]
    packets += [talk.packet(to_server=True, payload=part, sequence=start + at) for at, part in parts]
    talk.sequences[True] += len(text)
    packets += talk.say(answer, to_server=False, size=5)
    assert _told(_engine(searched=True), packets) == _told(_engine(searched=False), packets)


def test_no_flow_keeps_its_last_packet():
    """Thousands of idle connections would each hold what they sent last."""
    engine, text = _engine(searched=True), b"the last words of an idle connection"
    unit = Unit(engine)
    for port in (40_001, 40_002, 40_003):
        talk = Tcp(client_port=port, server_port=9999)
        unit.feed([*talk.handshake(), *talk.say(text, to_server=True), *talk.say(text, to_server=False)])
    kept = [each for each in gc.get_objects() if isinstance(each, Packet) and each.payload == text]
    assert len(kept) <= 2, "what was searched last, and what matched last; of all flows"
