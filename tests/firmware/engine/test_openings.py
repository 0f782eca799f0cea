"""Where connections begin is known although no handshake comes by: what is sent first was inspected, in whatever order it comes."""

import pytest

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.opening import Opening
from omamori.firmware.engine.packet import parse
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from tests.firmware.engine.conversation import Tcp, Unit, received
from tests.firmware.engine.evil import EVIL, KIND, REQUEST, Evil, told


class Known:
    """One connection's numbers, as the bridge would know them."""

    def __init__(self, talk):
        packet = parse(talk.packet(to_server=True, payload=b"x", sequence=0))
        self.way = (packet.source, packet.source_port, packet.destination, packet.destination_port, 6)
        self.numbers = dict(talk.sequences)

    def take(self, way):
        return Opening(self.numbers[True], self.numbers[False]) if way == self.way else None

    def listen(self):
        pass


def unit(openings):
    return Unit(Engine(Signatures(Evil()), Settings(), openings=openings))


@pytest.mark.parametrize("to_server", [True, False])
@pytest.mark.parametrize("cut", [1, 10, 40])
def test_what_comes_second_may_be_the_beginning(to_server, cut):
    talk = Tcp()
    guard, at = unit(Known(talk)), talk.sequences[to_server]
    text = REQUEST if to_server else b"say " + EVIL + b"." * 30
    out = guard.feed([talk.packet(to_server=to_server, payload=text[cut:], sequence=at + cut)])
    out += guard.feed([talk.packet(to_server=to_server, payload=text[:cut], sequence=at)])
    assert EVIL not in received(out, start=at)


def test_an_ordinary_request_in_the_wrong_order_passes():
    talk = Tcp()
    guard, at = unit(Known(talk)), talk.sequences[True]
    out = guard.feed([talk.packet(to_server=True, payload=KIND[20:], sequence=at + 20)])
    out += guard.feed([talk.packet(to_server=True, payload=KIND[:20], sequence=at)])
    assert received(out, start=at) == KIND
    assert guard.engine.statistics.flows == 1


def test_it_tells_who_opened_whatever_the_ports_say():
    talk = Tcp("203.0.113.9", "192.168.1.20", client_port=80, server_port=50_000)
    guard = unit(Known(talk))
    guard.feed([talk.packet(to_server=False, payload=b"first words")])
    (flow,) = guard.engine._flows.all()
    assert (flow.facts.client_port, flow.facts.server_port, flow.facts.client_inside) == (80, 50_000, False)
    assert flow.facts.established


@pytest.mark.parametrize("off", [1, 2 << 20, 1 << 31, -(1 << 20)])
def test_numbers_that_cannot_be_this_connections_are_ignored(off):
    """Forged, or of one before: then what comes first is the beginning."""
    talk = Tcp()
    known = Known(talk)
    known.numbers[True] = (known.numbers[True] + off) % 2**32
    guard = unit(known)
    guard.feed([talk.packet(to_server=True, payload=REQUEST)])
    assert told(guard) == {"1:7"}
