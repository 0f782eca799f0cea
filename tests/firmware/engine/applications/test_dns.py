"""DNS messages built by dpkt are read; loops and lies in them are refused."""

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications import dns
from omamori.firmware.engine.applications.dns import Dns
from omamori.firmware.engine.applications.layer import How, Message, SiteAsked
from omamori.firmware.engine.reassembly import Piece

NEEDS = frozenset(("dns.query", "dns.opcode", "dns.rrtype", "dns.rcode", "dns.answer.name"))


def query(*names, identifier=7):
    return bytes(dpkt.dns.DNS(id=identifier, qd=[dpkt.dns.DNS.Q(name=name, type=28) for name in names]))


def answer(name, target):
    alias = dpkt.dns.DNS.RR(name=name, type=5, cname=target)
    return bytes(dpkt.dns.DNS(id=7, op=0x8183, qd=[dpkt.dns.DNS.Q(name=name, type=1)], an=[alias]))


def test_each_question_is_a_site_and_a_buffer_value():
    events = Dns(framed=False).feed(Piece(0, 0, query("a.Example", "b.other")), NEEDS, to_server=True)
    assert events[:2] == [SiteAsked(b"a.Example", How.DNS), SiteAsked(b"b.other", How.DNS)]
    assert events[2].buffers == {
        "dns.query": [b"a.Example", b"b.other"],
        "dns.opcode": [b"0"],
        "dns.rrtype": [b"28", b"28"],
    }


def test_an_answer_is_no_question():
    layer = Dns(framed=False)
    (message,) = layer.feed(Piece(0, 0, answer("a.example", "c.example")), NEEDS, to_server=False)
    assert message.buffers == {
        "dns.opcode": [b"0"],
        "dns.rcode": [b"3"],
        "dns.rrtype": [b"1"],
        "dns.answer.name": [b"a.example"],
    }
    assert dns.parse(answer("a.example", "c.example")).answers[0].data == b"c.example"
    assert layer.context(None).dns["answer"]["rcode"] == "NXDOMAIN"


@given(st.lists(st.integers(1, 30), max_size=10))
def test_messages_over_tcp_may_be_cut_anywhere(sizes):
    stream = b"".join(len(raw).to_bytes(2, "big") + raw for raw in (query("a.example"), query("b.example")))
    layer, events, at = Dns(framed=True), [], 0
    for size in [*sizes, len(stream)]:
        events += layer.feed(Piece(at, 0, stream[at : at + size]), NEEDS, to_server=True)
        at += size
    assert [event.name for event in events if isinstance(event, SiteAsked)] == [b"a.example", b"b.example"]
    assert sum(isinstance(event, Message) for event in events) == 2


HEADER = query("x")[:12]


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c\0\1\0\1",
        b"\xc0\xff\0\1\0\1",
        b"\x40" + b"a" * 70,
        b"\x05ab",
        (b"\x3f" + b"a" * 63) * 5 + b"\0",
    ],
)
def test_impossible_names_are_refused(name):
    with pytest.raises(dns.NotDns):
        dns.parse(HEADER + name)


@given(st.binary(max_size=100) | st.binary(max_size=80).map(lambda tail: HEADER + tail))
@settings(max_examples=400)
def test_any_bytes_are_taken(data):
    for framed in (True, False):
        layer = Dns(framed=framed)
        layer.feed(Piece(0, 0, data), NEEDS, to_server=True)
        layer.feed(Piece(0, 0, data), NEEDS, to_server=False)
        layer.context(None)
