"""Connections that end, or seem to, and others between the same ports: each byte a receiver takes is inspected."""

import pytest

from tests.firmware.engine.conversation import Tcp, received
from tests.firmware.engine.evil import EVIL, KIND, REQUEST, half_said, summed, told, unit

RST_ACK, FIN_ACK = 0x14, 0x11


@pytest.mark.parametrize("flags", [RST_ACK, 0x04, FIN_ACK])
@pytest.mark.parametrize("off", [-5, 3, 100_000, 2**31])
def test_a_reset_or_an_end_out_of_place_changes_nothing(flags, off):
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), half_said(talk)])
    guard.feed([talk.packet(to_server=True, flags=flags, sequence=talk.sequences[True] + off)])
    guard.now += 300
    guard.engine.tick(guard.now)
    guard.feed([talk.packet(to_server=True, payload=REQUEST[10:])])
    assert guard.last == "Block"
    assert told(guard) == {"1:7"}


@pytest.mark.parametrize(
    "payload", [b"", b"x" * 20, KIND], ids=["bare", "with data", "with another connection's data"]
)
@pytest.mark.parametrize("flags", [2, 0x18])
def test_an_opening_out_of_place_does_not_make_the_connection_forgotten(payload, flags):
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), half_said(talk)])
    stray = Tcp(sequences={True: 0x7000_0000, False: 0x1234_5678})
    guard.feed([stray.packet(to_server=True, flags=flags, payload=payload)])
    guard.feed([talk.packet(to_server=True, payload=REQUEST[10:])])
    assert guard.last == "Block"


@pytest.mark.parametrize("ahead", [2, 3000, 0x10_0000, 0x7000_0000, -9, -0x10_0000, -0x7000_0000])
@pytest.mark.parametrize("back", [0, 1])
def test_what_looks_like_another_connection_and_acknowledges_this_one_hides_nothing(ahead, back):
    """The receiver takes none of it, or keeps it until what is missing has come: then that was inspected."""
    guard, talk = unit(), Tcp()
    out = guard.feed([*talk.handshake(), half_said(talk)])
    at = talk.sequences[True]
    guard.feed([talk.packet(to_server=True, payload=KIND, sequence=at + ahead)])
    out += guard.feed([talk.packet(to_server=True, payload=REQUEST[10 - back :], sequence=at - back)])
    assert EVIL not in received(out)
    assert told(guard) == {"1:7"} or guard.last == "Rewrite"


FAR = 20 << 20


@pytest.mark.parametrize("way", [FAR, -FAR], ids=["ahead", "behind"])
def test_any_number_of_strays_hides_nothing(way):
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), half_said(talk)])
    for number in range(40):
        at = talk.sequences[True] + way + 1000 * number
        guard.feed([talk.packet(to_server=True, payload=b"x" * 1000, sequence=at)])
    guard.feed([talk.packet(to_server=True, payload=REQUEST[10:])])
    assert guard.last == "Block"
    assert guard.engine.statistics.flows == 2


def test_what_comes_after_many_bytes_that_passed_without_inspection_is_inspected():
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), talk.packet(to_server=True, payload=KIND)])
    talk.sequences[True] += FAR
    guard.feed([half_said(talk), talk.packet(to_server=True, payload=REQUEST[10:])])
    assert guard.last == "Block"


@pytest.mark.parametrize("off", [0, 77], ids=["that dies on the way", "with a wrong checksum"])
@pytest.mark.parametrize("then", [None, 0, 1, 2], ids=["alone", "its data", "and a byte", "and two"])
def test_ends_that_the_receiver_never_sees_hide_nothing(off, then):
    """Both, as an attacker between the two can make them; and what looks like another connection's data, so far after the end."""
    guard, talk = unit(), Tcp()
    out = guard.feed([*talk.handshake(), half_said(talk)])
    at = dict(talk.sequences)
    ends = [talk.packet(to_server=way, flags=FIN_ACK, sequence=at[way]) for way in (False, True)]
    guard.feed([summed(end, off) for end in ends])
    if then is not None:
        guard.feed([talk.packet(to_server=True, payload=KIND, sequence=at[True] + then)])
    out += guard.feed([talk.packet(to_server=True, payload=REQUEST[10:], sequence=at[True])])
    out += guard.feed([talk.packet(to_server=True, payload=REQUEST[9:], sequence=at[True] - 1)])
    assert EVIL not in received(out)


def test_an_end_that_is_data_too_soon_is_none():
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), half_said(talk)])
    for way in (True, False):
        guard.feed([talk.packet(to_server=way, flags=FIN_ACK, sequence=talk.sequences[way] + 3)])
    for way, data in ((False, ANSWER), (True, KIND[10:])):
        guard.feed([talk.packet(to_server=way, payload=data)])
    assert guard.engine.statistics.flows == 1
    guard.now += 60
    guard.engine.tick(guard.now)
    assert guard.engine.statistics.flows == 1
    guard.feed([talk.packet(to_server=True, payload=REQUEST)])
    assert guard.last == "Block"


def test_ports_may_be_used_again_although_no_opening_is_seen():
    """As on the wire: the data path hands over packets with payload only."""
    guard = unit()
    for number in range(5):
        talk = Tcp(sequences={True: 0x1000_0000 * number + 77, False: 0x0800_0000 * number + 99})
        guard.feed([talk.packet(to_server=True, payload=KIND)])
        guard.feed([talk.packet(to_server=False, payload=b"HTTP/1.1 204 No\r\n\r\n")])
    assert not told(guard)
    talk = Tcp(sequences={True: 0xF000_0000, False: 0xE000_0000})
    guard.feed([half_said(talk), talk.packet(to_server=True, payload=REQUEST[10:])])
    assert told(guard) == {"1:7"}
    assert guard.engine.statistics.flows <= 2


ANSWER = b"HTTP/1.1 204 No\r\n\r\n"


def used_again(talk, *, later=0x4000_0000):
    """Another connection on its ports, while the server still remembers it: then the server's numbers go on a little further on (as in Linux)."""
    numbers = {True: talk.sequences[True] + later, False: talk.sequences[False] + 65537}
    return Tcp(sequences=numbers)


def both_end(talk):
    return [talk.packet(to_server=way, flags=FIN_ACK) for way in (False, True)]


@pytest.mark.parametrize(
    ("closed", "later"),
    [(True, 0x4000_0000), (True, 0x10_0000), (False, 0x4000_0000)],
    ids=["far on", "by a slow clock", "after an end that was not seen"],
)
def test_another_connection_on_the_ports_of_an_old_one_is_inspected(closed, later):
    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, payload=KIND), talk.packet(to_server=False, payload=ANSWER)])
    guard.feed(both_end(talk) if closed else [])
    guard.feed([used_again(talk, later=later).packet(to_server=True, payload=REQUEST)])
    assert guard.last == "Block"


def test_another_connection_on_the_ports_of_a_blocked_one_passes():
    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, payload=REQUEST)])
    assert guard.last == "Block"
    another = used_again(talk)
    guard.feed(
        [another.packet(to_server=True, payload=KIND), another.packet(to_server=False, payload=ANSWER)]
    )
    assert guard.last == "Pass"
