"""The packets that end a blocked flow: right numbers, right checksums, for the right end, and none where none belongs."""

import struct

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine import block_page
from omamori.firmware.engine.applications.dns_refusal import refused
from omamori.firmware.engine.block_page import Notice, Refusal
from omamori.firmware.engine.checksum import internet_checksum
from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.packet import TCP, UDP, parse
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.vocabulary import Guard
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram
from tests.firmware.engine.test_engine import Literals, get, hit

PC6, SITE6 = "fd00::20", "2001:db8::9"
LISTS = {Guard.WG: build_table([("bad.example", "phishing")])}
RST, FIN = 4, 1


def unit(*rules, inside=PC, **fields):
    return Unit(Engine(Signatures(Literals(*rules), LISTS), Settings(**fields)), inside)


def replies(guard):
    """(back, onward), parsed; every checksum is right."""
    told = guard.verdicts[-1].replies
    for reply in told:
        assert_sound(reply.packet)
    return [[parse(reply.packet) for reply in told if reply.onward is way] for way in (False, True)]


def assert_sound(raw):
    packet = parse(raw)
    assert packet.end == len(raw)
    if packet.version == 4:
        assert internet_checksum(raw[: (raw[0] & 15) * 4]) == 0
    pseudo = (
        int.from_bytes(packet.source + packet.destination, "big")
        + packet.protocol
        + len(raw[packet.transport_at :])
    )
    start = 0 if packet.protocol == 1 else pseudo
    assert internet_checksum(raw[packet.transport_at :], start) in (0, 0xFFFF)


@pytest.mark.parametrize(("pc", "site"), [(PC, SITE), (PC6, SITE6)])
def test_a_blocked_request_gets_a_page_and_its_server_a_reset(pc, site):
    guard, talk = unit(inside=pc), Tcp(client=pc, server=site)
    guard.feed(talk.handshake())
    request = talk.say(get("bad.example", "/x"), to_server=True)
    assert guard.feed(request) == []
    back, onward = replies(guard)
    asked = parse(request[0])
    text, sequence = b"", asked.acknowledgement
    for number, segment in enumerate(back):
        assert (segment.source, segment.destination) == (asked.destination, asked.source)
        assert (segment.source_port, segment.destination_port) == (80, asked.source_port)
        assert segment.acknowledgement == asked.sequence + len(asked.payload)
        assert (segment.sequence - sequence) % 2**32 == 0
        assert bool(segment.flags & FIN) == (number == len(back) - 1)
        text, sequence = text + segment.payload, sequence + len(segment.payload)
    page = dpkt.http.Response(text)
    assert page.status == "403"
    assert b"bad.example/x" in page.body
    (reset,) = onward
    assert (reset.flags & RST, reset.sequence, reset.payload) == (RST, asked.sequence, b"")
    assert (reset.source, reset.destination) == (asked.source, asked.destination)


def test_an_attack_from_outside_is_answered_by_resets_alone():
    guard, talk = unit(("http.uri", b"evil", hit(1)), inside=SITE), Tcp()
    guard.feed(talk.handshake())
    guard.feed(talk.say(get(path="/evil"), to_server=True))
    back, onward = replies(guard)
    assert [segment.flags & RST for segment in back + onward] == [RST, RST]
    assert not any(segment.payload for segment in back + onward)


def test_a_blocked_flow_that_goes_on_is_reset_again():
    guard, talk = unit(("stream", b"evil", hit(1))), Tcp(server_port=9999)
    guard.feed(talk.handshake())
    guard.feed(talk.say(b"evil", to_server=True))
    guard.feed(talk.say(b"more", to_server=True))
    back, onward = replies(guard)
    assert [segment.flags & RST for segment in back + onward] == [RST, RST]


def test_a_reset_reaches_a_sender_that_has_heard_more_since():
    """It takes one only at exactly the number it waits for: both that it can be waiting for are tried."""
    guard, talk = unit(("stream", b"evil", hit(1))), Tcp(server_port=9999)
    guard.feed(talk.handshake())
    late = talk.packet(to_server=True, payload=b"evil")
    guard.feed(talk.say(b"something from the server", to_server=False))
    guard.feed([late])
    back, _ = replies(guard)
    assert {segment.sequence for segment in back} == {
        parse(late).acknowledgement,
        talk.sequences[False] % 2**32,
    }


def test_nothing_answers_a_reset():
    guard, talk = unit(("payload", b"evil", hit(1))), Tcp(server_port=9999)
    guard.feed(talk.handshake())
    guard.feed([talk.packet(to_server=True, payload=b"evil", flags=0x14)])
    assert guard.last == "Block"
    assert guard.verdicts[-1].replies == ()


def test_a_datagram_to_a_blocked_service_is_answered_unreachable():
    guard = unit(("payload", b"evil", hit(1)))
    guard.feed([sent := datagram(PC, SITE, 4000, 9999, b"evil")])
    (error,), onward = replies(guard)
    assert onward == []
    assert (error.protocol, error.icmp_type, error.icmp_code) == (1, 3, 3)
    assert error.payload.startswith(sent[:28])
    guard = unit(("payload", b"evil", hit(1)), inside=SITE)
    guard.feed([datagram(PC, SITE, 4000, 9999, b"evil")])
    assert guard.verdicts[-1].replies == ()


def test_a_blocked_question_is_answered_and_a_blocked_answer_replaced():
    asked = struct.pack("!HHHHHH", 9, 0x0100, 1, 0, 0, 0) + b"\3bad\7example\0\0\1\0\1"
    guard = unit(("dns.rcode", b"0", hit(1, "drop")))
    guard.feed([datagram(PC, SITE, 4000, 53, asked)])
    (answer,), onward = replies(guard)
    assert onward == []
    assert dpkt.dns.DNS(answer.payload).rcode == 3
    fine = asked.replace(b"\3bad", b"\4fine")
    guard.feed([datagram(PC, SITE, 4001, 53, fine)])
    guard.feed([datagram(SITE, PC, 53, 4001, fine[:2] + b"\x81\x80" + fine[4:])])
    back, (instead,) = replies(guard)
    assert (guard.last, back) == ("Drop", [])
    assert (instead.source_port, instead.destination_port, dpkt.dns.DNS(instead.payload).rcode) == (
        53,
        4001,
        3,
    )


def test_what_stops_without_a_detection_is_counted_by_its_reason():
    silent = hit(1)
    object.__setattr__(silent, "told", False)
    guard, talk = unit(("stream", b"evil", silent)), Tcp(server_port=9999)
    guard.feed(talk.handshake())
    guard.feed(talk.say(b"evil", to_server=True))
    assert guard.last == "Block"
    assert guard.engine.take_detections() == []
    assert guard.engine.take_unspoken() == {"rule 1:1: TEST rule 1": 1}
    assert guard.engine.take_unspoken() == {}


def test_relief_forgets_those_that_were_idle_for_longest():
    guard = unit()
    talks = [Tcp(client_port=2000 + number) for number in range(8)]
    for talk in talks:
        guard.feed(talk.handshake())
    guard.feed(talks[0].say(b"still here", to_server=True))
    assert guard.engine.relieve(guard.now) == 3
    assert guard.engine.statistics.flows == 5
    guard.feed(talks[0].say(b"x", to_server=True))
    assert guard.engine.statistics.flows == 5


@pytest.mark.parametrize("guard", Guard)
def test_every_guard_has_its_words_and_nothing_of_the_network_is_markup(guard):
    what = '<img src=x onerror="alert(1)">' + "\u202e\0" + "あ" * 1000
    text = block_page.page(
        Refusal(guard, what, "<b>", "it & that"), Notice("<i>ja</i>", "<i>en</i>")
    ).decode()
    assert len(text.encode()) < 8000
    for bad in ("<img", "<i>", "<b>", "\u202e", "\0"):
        assert bad not in text
    assert "&lt;i&gt;ja" in text
    assert "&lt;i&gt;en" in text
    assert guard.value.upper() in text


@settings(max_examples=400)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_no_question(raw):
    answer = refused(raw)
    if answer is not None:
        assert answer[:2] == raw[:2]
        assert len(answer) <= len(raw) + 17


@settings(max_examples=300)
@given(st.sampled_from([TCP, UDP]), st.integers(0, 255), st.binary(max_size=80), st.booleans(), st.booleans())
def test_whatever_is_blocked_the_replies_are_sound(protocol, flags, payload, from_inside, is_dns):
    """Of any single packet that a rule stops."""
    body = b"evil" + payload
    port = 53 if is_dns else 80
    if protocol == TCP:
        raw = Tcp(server_port=port).packet(to_server=True, payload=body, flags=flags)
    else:
        raw = datagram(PC, SITE, 4000, port, body)
    engine = Engine(Signatures(Literals(("payload", b"evil", hit(1, "drop")))))
    verdict = engine.packet(raw, now=1.0, from_inside=from_inside)
    for reply in getattr(verdict, "replies", ()):
        assert_sound(reply.packet)
