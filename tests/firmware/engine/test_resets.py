"""Connections that a reset ends, or seems to: soon forgotten, and nothing that a receiver may still take goes uninspected."""

import pytest

from omamori.firmware.engine.ended import MOST, Ended, Ends
from omamori.firmware.engine.opening import Opening
from omamori.firmware.engine.settings import Mode
from tests.firmware.engine.conversation import Tcp, received
from tests.firmware.engine.evil import EVIL, KIND, REQUEST, half_said, told, unit

RST, RST_ACK = 0x04, 0x14
ANSWER = b"HTTP/1.1 204 No\r\n\r\n"
FORGOTTEN = 16
"""Seconds after which a connection that is over is no longer known."""


def later(guard, seconds):
    guard.now += seconds
    guard.engine.tick(guard.now)


def reset(talk, flags=RST_ACK, *, by_client=True):
    return talk.packet(to_server=by_client, flags=flags)


@pytest.mark.parametrize("by_client", [True, False])
@pytest.mark.parametrize("flags", [RST, RST_ACK])
def test_a_connection_that_one_side_resets_is_forgotten_soon(flags, by_client):
    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, payload=KIND), talk.packet(to_server=False, payload=ANSWER)])
    guard.feed([reset(talk, flags, by_client=by_client)])
    later(guard, FORGOTTEN)
    assert guard.engine.statistics.flows == 0


@pytest.mark.parametrize("pause", [0, 10, FORGOTTEN, 300, 590])
@pytest.mark.parametrize("again", [1, 3], ids=["once", "stopped and stopped again"])
def test_what_goes_on_after_a_reset_that_never_arrived_is_inspected_or_stopped(pause, again):
    """Whoever sends the second half cannot have meant the reset: it died on the way."""
    guard, talk = unit(), Tcp()
    out = guard.feed([*talk.handshake(), half_said(talk), reset(talk)])
    for _ in range(again):
        later(guard, pause / again)
        out += guard.feed([talk.packet(to_server=True, payload=REQUEST[10:], sequence=1011)])
    assert EVIL not in received(out)
    if pause / again > 15:
        assert guard.engine.take_unspoken() or guard.last == "Drop"


@pytest.mark.parametrize("ahead", [1, 60_000, 4 << 20])
def test_nor_does_it_help_to_go_on_elsewhere_in_the_window(ahead):
    guard, talk = unit(), Tcp()
    out = guard.feed([*talk.handshake(), half_said(talk), reset(talk)])
    later(guard, FORGOTTEN)
    guard.feed([talk.packet(to_server=True, payload=b"x" * 1400, sequence=1011 + ahead)])
    assert guard.last == "Drop"
    out += guard.feed([talk.packet(to_server=True, payload=REQUEST[10:], sequence=1011)])
    assert EVIL not in received(out)


def test_nor_what_the_other_side_says():
    guard, talk = unit(), Tcp()
    out = guard.feed([*talk.handshake(), half_said(talk), reset(talk, by_client=False)])
    later(guard, FORGOTTEN)
    out += guard.feed([talk.packet(to_server=True, payload=REQUEST[10:])])
    assert guard.last == "Drop"
    assert EVIL not in received(out)


@pytest.mark.parametrize("near", [False, True], ids=["far on", "near, its handshake seen"])
def test_another_connection_on_its_ports_passes_and_is_inspected(near):
    guard, talk = unit(), Tcp()
    guard.feed([*talk.handshake(), talk.packet(to_server=True, payload=KIND), reset(talk)])
    later(guard, FORGOTTEN)
    step = 90_000 if near else 0x4000_0000
    again = Tcp(sequences={way: number + step for way, number in talk.sequences.items()})
    out = guard.feed(again.handshake() if near else [])
    out += guard.feed(
        [again.packet(to_server=True, payload=KIND), again.packet(to_server=False, payload=ANSWER)]
    )
    assert KIND in received(out, start=None if not near else (talk.sequences[True] + step + 1) % 2**32)
    guard.feed([again.packet(to_server=True, payload=REQUEST)])
    assert guard.last == "Block"


def test_so_does_one_whose_beginning_was_told():
    """As on the wire, where no handshake comes to the engine."""

    class Told:
        def take(self, way):
            return Opening(91_000, 0xFFFF_FF00 + 90_000) if way[1] == 40_000 else None

        def listen(self):
            pass

    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, payload=KIND), reset(talk)])
    later(guard, FORGOTTEN)
    guard.engine._flows._openings = Told()
    again = Tcp(sequences={True: 91_000, False: 0xFFFF_FF00 + 90_000})
    guard.feed([again.packet(to_server=True, payload=KIND)])
    assert guard.last == "Pass"


@pytest.mark.parametrize("first", [[], [RST_ACK]])
def test_a_reset_of_what_was_never_seen_ends_nothing(first):
    """Its numbers are not known to be right."""
    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, flags=flags) for flags in first])
    guard.feed([talk.packet(to_server=True, flags=RST_ACK)])
    later(guard, FORGOTTEN)
    guard.feed([talk.packet(to_server=True, payload=REQUEST)])
    assert guard.last == "Block"


def test_nothing_is_stopped_where_everything_is_only_told():
    guard, talk = unit(mode=Mode.OBSERVE), Tcp()
    guard.feed([*talk.handshake(), half_said(talk), reset(talk)])
    later(guard, FORGOTTEN)
    guard.feed([talk.packet(to_server=True, payload=REQUEST)])
    assert guard.last == "Pass"
    assert told(guard) == {"1:7"}


def test_it_is_remembered_no_longer_than_an_idle_connection():
    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, payload=KIND), reset(talk)])
    later(guard, FORGOTTEN)
    later(guard, 601)
    guard.feed([talk.packet(to_server=True, payload=KIND)])
    assert guard.last == "Pass"


def test_the_clock_may_be_set_meanwhile():
    guard, talk = unit(), Tcp()
    guard.feed([talk.packet(to_server=True, payload=KIND), reset(talk)])
    later(guard, FORGOTTEN)
    later(guard, 90_000)
    guard.feed([talk.packet(to_server=True, payload=KIND)])
    assert guard.last == "Drop"


def test_so_many_are_remembered_and_the_oldest_given_up():
    ended, ways = Ended(600.0), [(b"pc", port, b"site", 80, 6) for port in range(MOST + 5)]
    for second, way in enumerate(ways):
        ended.add(way, Ends(1, None, second / 1000))
    known = [ended.near(way, 1, 17, to_server=True) is not None for way in ways]
    assert known == [False] * 5 + [True] * MOST
    assert ended.near(ways[-1], 1 << 31, 17, to_server=True) is None
    assert ended.near(ways[-1], 1 << 31, 17, to_server=False) is not None, "not known: it may go on"
    ended.add(ways[0], Ends(1, 1, 10_000))
    assert ended.near(ways[-1], 1, 17, to_server=True) is None, "old ones are let go"
