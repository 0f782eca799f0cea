"""Debian's nDPI behind its adapter: what it names, and that hostile bytes neither crash nor leak."""

import os
import random
import resource
import subprocess
import sys

import pytest

from omamori.firmware.engine.naming.namer import Namer
from omamori.firmware.host.ndpi import Ndpi, NdpiError
from tests.firmware.engine.conversation import PC, SITE, Tcp, datagram

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def library():
    return Ndpi()


def test_a_protocol_that_only_the_library_knows_gets_its_name(library):
    flow = Tcp(server_port=1119)
    login = b"\x4a\0\0\x0a\x66\x02\x0a\xed\x2d\x66"
    assert _named([*flow.handshake(), *flow.say(login, to_server=True)], library) in ("Blizzard", "")
    mail = datagram(PC, SITE, 7000, 8000, b"VS01" + bytes(40))
    assert _named([mail], library) == "Steam"


def test_the_server_name_is_read_where_the_library_keeps_it(library):
    flow = Tcp()
    handle = library.open()
    for data in [
        *flow.handshake(),
        *flow.say(b"GET /x HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: y\r\n\r\n", to_server=True),
    ]:
        library.packet(handle, data, 1)
    assert library.host(handle) == b"www.example.com"
    library.close(handle)


def test_cut_copies_state_their_true_length(library):
    whole = Tcp(server_port=9).packet(to_server=True, payload=b"x" * 3000)
    handle = library.open()
    library.packet(handle, whole[:200], 1)
    library.packet(handle, b"", 2)
    library.packet(handle, whole[:10], 3)
    assert isinstance(library.close(handle), str)


def test_ten_thousand_hostile_flows_leave_no_memory_behind(library):
    chance = random.Random(7)
    seeds = [
        Tcp(server_port=port).packet(
            to_server=True, payload=bytes([chance.randrange(256) for _ in range(300)])
        )
        for port in (25, 80, 443, 554)
    ]

    def round_of(flows):
        for _ in range(flows):
            data = bytearray(chance.choice(seeds))
            for _ in range(4):
                data[chance.randrange(20, len(data))] = chance.randrange(256)
            handle = library.open()
            library.packet(handle, bytes(data), 1)
            library.close(handle)

    round_of(2_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    round_of(8_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4_000  # kB


def test_another_library_is_refused_with_a_reason():
    with pytest.raises(NdpiError, match="not the library"):
        Ndpi("libc.so.6")
    with pytest.raises(NdpiError, match="libnothing"):
        Ndpi("libnothing.so.1")


def test_it_is_not_loaded_by_importing_the_adapter():
    script = "import omamori.firmware.host.ndpi; print('libndpi' in open('/proc/self/maps').read())"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "False"


def _named(packets, library):
    namer = Namer(library)
    told = [each for each in (namer.packet(data, now=NOW) for data in packets) if each] + namer.flush()
    return next((each.application.name for each in reversed(told) if each.application), "")
