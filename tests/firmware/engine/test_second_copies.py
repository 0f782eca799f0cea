"""Second copies of bytes far back: compared as far as a receiver may have room for them, in bounded memory."""

import pytest

from omamori.firmware.engine.packet import parse
from omamori.firmware.engine.reassembly import LEAST_KEPT, MOST_KEPT, Reassembly
from omamori.firmware.engine.settings import Settings
from tests.firmware.engine.conversation import Tcp
from tests.firmware.engine.evil import EVIL, KIND, REQUEST, unit

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n"
SEGMENT = 60_000


def downloading(guard, size, port=40_000, *, first=KIND):
    """A connection whose server has sent `first`, and so much after it; where that was."""
    talk = Tcp(client_port=port)
    guard.feed([*talk.handshake(), talk.packet(to_server=True, payload=KIND)])
    guard.feed([talk.packet(to_server=False, payload=HEAD)])
    at = talk.sequences[False]
    guard.feed([talk.packet(to_server=False, payload=first)])
    guard.feed(talk.say(bytes(size), to_server=False, size=SEGMENT))
    return talk, at


@pytest.mark.parametrize("behind", [90_000, 1_000_000, MOST_KEPT - 2 * SEGMENT])
def test_a_second_copy_far_back_is_set_right(behind):
    """The first one never arrived (an old timestamp, a segment that its receiver refuses): all after it waits at the receiver."""
    guard = unit()
    talk, at = downloading(guard, behind)
    (out,) = guard.feed([talk.packet(to_server=False, payload=REQUEST, sequence=at)])
    assert parse(out).payload == KIND
    assert guard.last == "Rewrite"


def test_an_honest_second_copy_far_back_passes():
    guard = unit()
    talk, at = downloading(guard, 2_000_000)
    packet = talk.packet(to_server=False, payload=KIND, sequence=at)
    assert guard.feed([packet]) == [packet]


def test_further_back_than_any_window_it_is_inspected_for_itself():
    guard = unit()
    talk, at = downloading(guard, MOST_KEPT + 4 * SEGMENT)
    guard.feed([talk.packet(to_server=False, payload=b"x" + EVIL, sequence=at)])
    assert guard.last == "Block"


def kept(guard):
    return guard.engine._streams.kept


def test_many_downloads_share_what_may_be_kept():
    """Every one of them keeps more than the least; together they stay within the bound, whenever it is looked at."""
    guard, total = unit(), Settings().history_total
    most, downloads = 0, []
    for port in range(40_000, 40_012):
        downloads.append(downloading(guard, 5_000_000, port))
        most = max(most, kept(guard))
    assert most < total
    for _ in range(3):
        guard.now += 1
        guard.engine.tick(guard.now)
        for talk, _ in downloads:
            guard.feed(talk.say(bytes(SEGMENT), to_server=False, size=SEGMENT))
    assert kept(guard) < total
    halves = [half.stream for flow in guard.engine._flows.all() for half in flow.halves]
    assert kept(guard) == sum(stream.kept for stream in halves)
    assert sum(stream.kept > LEAST_KEPT for stream in halves) == 12


def test_where_the_bound_is_small_none_keeps_more_than_it_shares_out():
    guard = unit(history_total=20 * LEAST_KEPT)
    for port in range(40_000, 40_060):
        downloading(guard, 3 * LEAST_KEPT, port)
    guard.now += 1
    guard.engine.tick(guard.now)
    assert kept(guard) <= 20 * LEAST_KEPT
    halves = [half.stream for flow in guard.engine._flows.all() for half in flow.halves]
    assert kept(guard) == sum(stream.kept for stream in halves)


def test_parts_between_holes_are_bounded_too():
    """Single bytes that cannot be joined, as the holes between them were given up."""
    half = Reassembly()
    half.begin(0)
    half.room = MOST_KEPT
    for at in range(1, 9_000, 2):
        half.push(at, b"a", 0)
    assert len(half._recent) <= 300
