"""What a worker knows of beginnings: the newest ones, bounded, and nothing of bytes that are no answer to an opening."""

from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.bridge.openings import MOST, Openings
from omamori.firmware.engine.packet import parse
from omamori.firmware.host.nflog import Copy
from tests.firmware.engine.conversation import Tcp

SYN_ACK = 0x12


class Log:
    """Copies as a group hands them over: a few at a time, then none."""

    def __init__(self, packets):
        self.left = [Copy(data, 1, None) for data in packets]

    def receive(self):
        taken, self.left = self.left[:3], self.left[3:]
        return taken


def answer(port, *, first=7000):
    talk = Tcp(client_port=port, sequences={True: first + 1, False: 0xFFFF_FFFF})
    return talk.packet(to_server=False, flags=SYN_ACK)


def way(port):
    packet = parse(Tcp(client_port=port).packet(to_server=True))
    return packet.source, packet.source_port, packet.destination, packet.destination_port, 6


def test_the_newest_answer_counts_and_is_handed_out_once():
    openings = Openings(Log([answer(1000), answer(2000), answer(1000, first=9000)]))
    assert openings.take(way(3000)) is None
    found = openings.take(way(1000))
    assert (found.client, found.server % 2**32) == (9001, 0)
    assert openings.take(way(1000)) is None
    assert openings.take(way(2000)).client == 7001


def test_it_remembers_so_many_and_reads_so_many_at_once():
    log = Log([answer(1 + number) for number in range(MOST + 900)])
    openings = Openings(log)
    openings.listen()
    assert len(log.left) > 900, "one look is bounded"
    while log.left:
        openings.listen()
    assert openings.take(way(900)) is None
    assert openings.take(way(901)) is not None
    assert openings.take(way(MOST + 900)) is not None


def test_without_a_log_group_nothing_is_known():
    openings = Openings(None)
    openings.listen()
    assert openings.take(way(1)) is None


@given(st.lists(st.binary(max_size=96) | st.integers(0, 95).map(lambda size: answer(5)[:size]), max_size=9))
@settings(max_examples=200)
def test_any_bytes_are_taken(packets):
    openings = Openings(Log([*packets, answer(77)]))
    assert openings.take(way(77)).client == 7001
