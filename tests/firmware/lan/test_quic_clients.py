"""What programs say when they open connections by QUIC: through the kernel's filter, in pieces, damaged, and by a real browser."""

import socket
import sys

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.lan import overhearing
from omamori.firmware.lan.capture import Captured
from omamori.firmware.lan.client import ClientReader
from omamori.firmware.lan.quic_hello import MOST_BEGUN
from omamori.firmware.lan.sighting import Port
from tests.firmware.engine.applications.quic_client import V1, V2, crypto, hello, initial
from tests.firmware.lan import frames
from tests.firmware.lan.frames import PC, at
from tests.firmware.lan.panel import GATEWAY, mac, site
from tests.firmware.lan.test_clients import chromium, heard, speaking

WHOLE = hello(b"play.example")
SENDER = """
import socket, sys
for place in sys.argv[1:]:
    address, port, source, data = place.split("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    out = socket.socket(family, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    out.bind(("", int(source)))
    out.sendto(bytes.fromhex(data), (address, int(port)))
"""
SINK = """
import socket, time
listening = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
listening.bind(("::", 443))
print("ready", flush=True)
time.sleep(600)
"""
"""A server that never answers: a refusal would end the conversation before the hello's second datagram."""


@pytest.fixture
def net(tmp_path):
    with site(tmp_path) as built:
        built.office.run("ip", "address", "add", "192.168.78.20/24", "dev", "eth0")
        for inside, address in ((built.office, "fd00::20"), (built.router, "fd00::1")):
            inside.run("ip", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        with speaking(built.router, SINK):
            yield built


def sends(*datagrams):
    """A command; each datagram with where it goes and its source port."""
    return (
        sys.executable,
        "-c",
        SENDER,
        *(f"{to}/{port}/{source}/{data.hex()}" for to, port, source, data in datagrams),
    )


@pytest.mark.root
def test_what_opens_a_connection_by_quic_comes_up_and_nothing_else(net):
    first, rest = initial(crypto(0, WHOLE[:70])), initial(crypto(70, WHOLE[70:]), sequence=1)
    handshake = bytes([0xE0]) + initial(crypto(0, WHOLE))[1:]
    found = heard(
        net,
        sends(
            (GATEWAY, 443, 40001, initial(crypto(0, WHOLE), version=V1)),
            ("fd00::1", 443, 40002, initial(crypto(0, WHOLE), version=V2)),
            (GATEWAY, 8853, 40003, initial(crypto(0, WHOLE))),
            (GATEWAY, 443, 40004, handshake),
            (GATEWAY, 443, 40005, b"\x40" + bytes(1200)),
            (GATEWAY, 443, 40006, first),
            (GATEWAY, 443, 40006, rest),
        ),
    )
    assert {(port, source, software) for port, source, software, _ in found} == {
        ("lan", mac(net.office), None)
    }
    ja4 = [each for _, _, _, each in found]
    assert len(ja4) == 3
    assert {each[:10] for each in ja4} == {"q13d0305h3"}
    assert len(set(ja4)) == 1


@pytest.mark.root
@pytest.mark.browser
@pytest.mark.slow
def test_a_real_browser_is_known_by_quic_too(net):
    *command, page = chromium(net.state, "https://quic.example/")
    command.remove("--disable-quic")
    ours = ("--enable-quic", "--origin-to-force-quic-on=quic.example:443")
    place = f"--host-resolver-rules=MAP quic.example {GATEWAY}"
    found = heard(net, (*command, *ours, place, page))
    assert "q13d" in {ja4[:4] for _, _, _, ja4 in found}


# --- without a wire -------------------------------------------------------------------------------------------------


def datagram(data, *, sport=50_000):
    inner = dpkt.udp.UDP(sport=sport, dport=443, data=data)
    inner.ulen = len(inner)
    packet = dpkt.ip.IP(
        src=socket.inet_aton("192.168.1.10"), dst=socket.inet_aton("203.0.113.1"), p=17, ttl=64, data=inner
    )
    packet.len = len(bytes(packet))
    return frames.ethernet(PC, 0x0800, bytes(packet), target=frames.UNIT)


def overheard(*datagrams, reader=None, step=0.1):
    reader, found = reader or ClientReader(), None
    for number, frame in enumerate(datagrams):
        found = overhearing.read(Captured(frame, None), reader, port=Port.LAN, time=at(number * step))
    return found


def test_a_hello_of_two_datagrams_is_put_together_in_any_order_but_not_for_ever():
    parts = [
        datagram(initial(crypto(0, WHOLE[:70]))),
        datagram(initial(crypto(70, WHOLE[70:]), sequence=1)),
    ]
    for order in (parts, parts[::-1]):
        assert overheard(*order).said.ja4.startswith("q13d0305h3_")
    assert overheard(*parts, step=5) is None
    assert overheard(parts[0], datagram(initial(crypto(70, WHOLE[70:])), sport=50_001)) is None


def test_hellos_that_never_end_are_bounded():
    reader, begun = ClientReader(), initial(crypto(0, WHOLE[:70]))
    for port in range(1000, 1000 + 2 * MOST_BEGUN):
        assert overheard(datagram(begun, sport=port), reader=reader) is None
    assert len(reader._quic._begun) == MOST_BEGUN


@settings(max_examples=150)
@given(st.integers(0, 1200), st.binary(min_size=1, max_size=8), st.integers(0, 1200))
def test_a_damaged_packet_says_nothing_or_what_it_is(place, octets, cut):
    whole = bytearray(initial(crypto(0, WHOLE)))
    whole[place : place + len(octets)] = octets
    for data in (bytes(whole), bytes(whole[:cut])):
        told = overheard(datagram(data))
        assert told is None or told.said.ja4.startswith("q13")


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_any_frames_within_a_packet_say_something_or_nothing(inside):
    told = overheard(datagram(initial(inside)), datagram(initial(crypto(0, WHOLE[:20]) + inside)))
    assert told is None or told.said.ja4
