"""QUIC's first packets: the name a client asks for is read and blocked, however the hello is cut up."""

from contextlib import suppress
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications import quic
from omamori.firmware.engine.applications.layer import How, Message, SiteAsked
from omamori.firmware.engine.applications.quic import NotQuic, Quic, client_keys
from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.vocabulary import Action, Guard
from tests.firmware.engine.applications.quic_client import CONNECTION, V1, V2, crypto, hello, initial
from tests.firmware.engine.conversation import PC, SITE, Unit, datagram

NEEDS = frozenset(("quic.sni", "quic.version", "ja3.hash", "ja3.string", "ja4.hash"))
EXAMPLE = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0"
    "00000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501"
    "00000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304"
    "000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07"
    "048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"
)
"""The frame of RFC 9001, appendix A.2."""


def feed(layer, *datagrams):
    return [event for data in datagrams for event in layer.feed(Piece(0, 0, data), NEEDS, to_server=True)]


@pytest.mark.parametrize(
    ("version", "key", "iv", "mask"),
    [
        (
            V1,
            "1f369613dd76d5467730efcbe3b1a22d",
            "fa044b2f42a3fd3b46fb255c",
            "9f50449e04a0e810283a1e9933adedd2",
        ),
        (
            V2,
            "8b1a0bc121284290a29e0971b5cd045d",
            "91f73e2351d8fa91660e909f",
            "45b95e15235d6f45a6b19cbcb0294ba9",
        ),
    ],
)
def test_the_keys_are_those_of_the_standards(version, key, iv, mask):
    assert client_keys(version, CONNECTION) == tuple(map(bytes.fromhex, (key, iv, mask)))


def test_the_example_of_the_standard_is_read():
    packet = initial(EXAMPLE, sequence=2)
    assert packet[:22].hex() == "c000000001088394c8f03e5157080000449e7b9aec34"
    assert packet[22:38].hex() == "d1b1c98dd7689fb8ec11d242b123dc9b"
    assert len(packet) == 1200
    asked, message = feed(Quic(), packet)
    assert asked == SiteAsked(b"example.com", How.QUIC)
    assert message.buffers["quic.sni"] == [b"example.com"]
    assert message.buffers["quic.version"] == [b"1"]
    assert message.buffers["ja3.string"] == [b"771,4865-4866,0-65281-10-16-5-51-43-13-45-28-57,29-23-24,"]
    assert message.buffers["ja4.hash"][0].startswith(b"q13d0211an_")


@pytest.mark.parametrize("version", [V1, V2])
@given(st.integers(0, 2**32), st.integers(0, 3000), st.integers(2, 40), st.integers(1, 4))
@settings(max_examples=40)
def test_a_hello_in_any_pieces_is_read(version, seed, padding, pieces, packets):
    random, whole = Random(seed), hello(b"play.example", padding=padding)
    marks = sorted({0, len(whole), *(random.randrange(len(whole)) for _ in range(pieces))})
    frames = [crypto(begin, whole[begin:end]) for begin, end in pairwise(marks)]
    random.shuffle(frames)
    datagrams = [
        initial(b"\1\0\2\0\0\0\0".join(frames[at::packets]), sequence=at, version=version, size=1162)
        for at in range(packets)
        if frames[at::packets]
    ]
    random.shuffle(datagrams)
    layer = Quic()
    events = feed(layer, *datagrams)
    assert events[0] == SiteAsked(b"play.example", How.QUIC)
    assert layer.finished
    assert not layer.lost


def test_packets_may_share_a_datagram_and_keys_may_change_after_a_retry():
    whole = hello(b"play.example")
    first = initial(crypto(0, whole[:50]), size=60)
    again = initial(crypto(50, whole[50:]), sequence=1, connection=b"chosen-by-it", token=b"t" * 30)
    assert feed(Quic(), first + again)[0] == SiteAsked(b"play.example", How.QUIC)
    later = initial(crypto(50, whole[50:]), sequence=1, connection=b"other", keys_of=CONNECTION)
    assert feed(Quic(), first, later)[0] == SiteAsked(b"play.example", How.QUIC)


def test_a_conversation_without_a_hello_is_not_followed_for_ever():
    layer = Quic()
    feed(layer, initial(crypto(0, hello(b"a.example")[:20])))
    for _ in range(40):
        layer.feed(Piece(0, 0, b"\x40" + bytes(1000)), NEEDS, to_server=False)
    assert layer.finished


LISTS = {Guard.WG: build_table([("bad.example", "phishing")])}


@pytest.mark.parametrize(("name", "through"), [(b"www.bad.example", 0), (b"good.example", 3)])
def test_a_listed_site_is_blocked_and_any_other_is_the_kernels(name, through):
    guard = Unit(Engine(Signatures(domains=LISTS)))
    whole = hello(name, padding=1500)
    packets = [
        datagram(PC, SITE, 50_000, 443, initial(crypto(at, whole[at : at + 900]), sequence=at))
        for at in (900, 0)
    ]
    packets.append(datagram(PC, SITE, 50_000, 443, b"\x40" + bytes(50)))
    out = guard.feed(packets)
    assert guard.last == ("Decided" if through else "Block")
    assert len(out) == (through or 1)
    told = guard.engine.take_detections()
    assert [each.action for each in told] == ([] if through else [Action.BLOCKED])
    assert all("QUIC server name www.bad.example" in each.reason for each in told)


def test_what_is_no_initial_packet_is_lost():
    for data in (initial(EXAMPLE)[:-1], initial(EXAMPLE, keys_of=b"else"), b"\xc0\0\0\0\1" + bytes(60)):
        layer = Quic()
        assert feed(layer, data) == []
        assert layer.lost


@given(st.binary(max_size=120), st.binary(max_size=60), st.integers(0, 1300), st.integers(0, 255))
@settings(max_examples=200)
def test_any_bytes_are_taken(frames, tail, at, value):
    damaged = bytearray(initial(frames, size=0 if len(frames) > 20 else 40) + tail)
    feed(Quic(), bytes(damaged))
    damaged[at % len(damaged)] = value
    layer = Quic()
    for event in feed(layer, bytes(damaged), b"\xc0\0\0\0\1" + tail, tail):
        assert isinstance(event, Message | SiteAsked)
    quic.is_plausible(tail)
    with suppress(NotQuic):
        quic.crypto_frames(frames)
