"""What the engine passes without inspecting it in full, or no longer follows, is counted by its reason."""

import pytest

from omamori.firmware.engine.checksum import with_payload
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.packet import parse
from omamori.firmware.engine.settings import Settings
from omamori.protocol.reasons import Unfollowed, Uninspected
from tests.firmware.engine.conversation import PC, SITE, Tcp, datagram

FIN_ACK = 0x11
NOISE = b"\x00\x01\x02\x03"
MANY = [datagram(PC, SITE, port, 9, b"x") for port in range(4000, 4009)]


def inspected(packets, *, settings=None, idle=0.0):
    engine = Engine(None, settings)
    for data in packets:
        engine.packet(data, now=1000.0, from_inside=True)
    engine.tick(1000.0 + idle)
    return engine


def unsound(packet):
    """With a checksum, and then another last byte."""
    whole = parse(packet)
    sound = with_payload(whole, whole.payload)
    return sound[:-1] + bytes([sound[-1] ^ 1])


def fragment(offset, payload, *, more):
    data = bytearray(datagram(PC, SITE, 4000, 9, payload))
    data[6:8] = (offset // 8 | (0x2000 if more else 0)).to_bytes(2, "big")
    return bytes(data)


def with_a_hole():
    """The bytes after a lost segment, and the receiver's word that it has everything."""
    talk = Tcp()
    opening = talk.handshake()
    first, *_ = talk.say(NOISE, to_server=True)
    talk.say(b"never seen here", to_server=True)
    last, *_ = talk.say(NOISE, to_server=True)
    answer = talk.say(NOISE, to_server=False)
    return [*opening, first, last, *answer]


def poured(size):
    talk = Tcp()
    return [*talk.handshake(), *talk.say(NOISE * (size // 4), to_server=True)]


@pytest.mark.parametrize(
    ("packets", "reason"),
    [
        ([b"", b"\x45"], Uninspected.INVALID),
        ([unsound(packet) for packet in Tcp().say(b"hello", to_server=True)] * 2, Uninspected.CHECKSUM),
        ([fragment(0, bytes(64), more=True), fragment(72, bytes(64), more=True)], Uninspected.FRAGMENTS),
    ],
)
def test_packets_by_reason(packets, reason):
    assert inspected(packets, idle=120.0).statistics.uninspected() == {reason: 2}


@pytest.mark.parametrize(
    ("packets", "settings", "found"),
    [
        (MANY, Settings(flows=5), {Unfollowed.TABLE_FULL: 4}),
        (poured(200_000), Settings(stream_depth=50_000), {Unfollowed.STREAM_LIMIT: 1}),
        (poured(40_000), Settings(stream_depth=50_000), {}),
        (with_a_hole(), Settings(), {Unfollowed.HOLE: 1}),
    ],
)
def test_flows_by_reason(packets, settings, found):
    assert inspected(packets, settings=settings).statistics.unfollowed() == found


@pytest.mark.parametrize(("ends", "left"), [((True, False), 0), ((True,), 1), ((), 1)])
def test_a_connection_that_both_ends_ended_is_soon_forgotten(ends, left):
    talk = Tcp()
    packets = [*talk.handshake(), *talk.say(NOISE, to_server=True), *talk.say(NOISE, to_server=False)]
    packets += [talk.packet(to_server=way, flags=FIN_ACK) for way in ends]
    assert inspected(packets, idle=5.0).statistics.flows == 1
    assert inspected(packets, idle=20.0).statistics.flows == left


def test_flows_forgotten_for_want_of_memory():
    engine = inspected(MANY)
    assert engine.relieve(1001.0) == 3
    assert engine.statistics.unfollowed() == {Unfollowed.MEMORY: 3}


def test_flows_that_are_over_make_room_first_and_are_no_loss():
    engine, now = inspected(MANY), 1001.0
    for port in range(4000, 4003):
        talk = Tcp(client_port=port)
        packets = [talk.packet(to_server=True, payload=NOISE), talk.packet(to_server=False, payload=NOISE)]
        for packet in [*packets, *(talk.packet(to_server=way, flags=FIN_ACK) for way in (False, True))]:
            engine.packet(packet, now=now, from_inside=True)
    assert engine.relieve(now) == 4
    assert engine.statistics.unfollowed() == {Unfollowed.MEMORY: 1}


def test_ordinary_traffic_counts_nothing():
    talk = Tcp()
    packets = [*talk.handshake(), *talk.say(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", to_server=True), *MANY]
    counted = inspected(packets, idle=5.0).statistics
    assert (counted.uninspected(), counted.unfollowed()) == ({}, {})
