"""SSH up to the key exchange: banners, fingerprints, and then the kernel's."""

from hashlib import md5
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications.layer import Message
from omamori.firmware.engine.applications.ssh import Ssh
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.reassembly import Piece
from tests.firmware.engine.conversation import Tcp, Unit

NEEDS = frozenset(
    [
        "ssh.proto",
        "ssh.software",
        "ssh.hassh",
        "ssh.hassh.string",
        "ssh.hassh.server",
        "ssh.hassh.server.string",
    ]
)
OFFER = [
    b"curve25519,ecdh",
    b"ed25519",
    b"aes-c2s",
    b"aes-s2c",
    b"mac-c2s",
    b"mac-s2c",
    b"zip",
    b"none",
    b"",
    b"",
]


def packet(payload, padding=5):
    length = 1 + len(payload) + padding
    return length.to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


def offer(names=OFFER):
    return packet(
        b"\x14" + bytes(16) + b"".join(len(name).to_bytes(4, "big") + name for name in names) + bytes(5)
    )


CLIENT = b"SSH-2.0-OpenSSH_9.9 Debian\r\n" + offer() + packet(b"\x1e" + bytes(40)) + packet(b"\x15")
SERVER = b"Welcome, stranger\r\nSSH-1.99-srv\n" + offer() + packet(b"\x1f" + bytes(40)) + packet(b"\x15")


def feed(layer, data, *, to_server, cuts=()):
    marks = [0, *sorted(cuts), len(data)]
    return [
        event
        for begin, end in pairwise(marks)
        if begin < end
        for event in layer.feed(Piece(begin, 0, data[begin:end]), NEEDS, to_server=to_server)
    ]


@given(st.lists(st.integers(0, len(CLIENT)), max_size=20))
@settings(max_examples=60)
def test_banner_and_fingerprint_of_both_sides(cuts):
    layer = Ssh()
    client, server = feed(layer, CLIENT, to_server=True, cuts=cuts), feed(layer, SERVER, to_server=False)
    told = b"curve25519,ecdh;aes-c2s;mac-c2s;zip"
    assert client[-1].buffers == {
        "ssh.proto": [b"2.0"],
        "ssh.software": [b"OpenSSH_9.9 Debian"],
        "ssh.hassh.string": [told],
        "ssh.hassh": [md5(told).hexdigest().encode()],  # noqa: S324 - HASSH is defined so
    }
    assert server[-1].buffers["ssh.proto"] == [b"1.99"]
    assert server[-1].buffers["ssh.hassh.server.string"] == [b"curve25519,ecdh;aes-s2c;mac-s2c;none"]
    assert not [event for event in client + server if event.events]
    assert layer.finished


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b"SSH-2.0\r\n", "ssh.invalid_banner"),
        (b"SSH-2.0-" + b"x" * 300 + b"\r\n", "ssh.long_banner"),
        (b"y" * 9000, "ssh.long_banner"),
        (b"SSH-2.0-x\r\n\xff\xff\xff\xff\0\x14", "ssh.invalid_record"),
        (b"SSH-2.0-x\r\n\0\0\0\1\0\x14", "ssh.invalid_record"),
    ],
)
def test_what_is_odd_is_an_event(data, event):
    assert event in feed(Ssh(), data, to_server=True)[-1].events


def test_the_flow_is_decided_after_the_exchange():
    guard, talk = Unit(Engine()), Tcp(server_port=22)
    server = SERVER.partition(b"\n")[2]
    guard.feed([*talk.handshake(), *talk.say(server, to_server=False), *talk.say(CLIENT, to_server=True)])
    assert guard.last == "Decided"


@given(
    st.lists(
        st.tuples(st.booleans(), st.one_of(st.binary(max_size=60), st.sampled_from([CLIENT, SERVER]))),
        max_size=8,
    )
)
@settings(max_examples=150)
def test_any_bytes_are_taken(parts):
    layer = Ssh()
    for to_server, data in parts:
        assert all(isinstance(event, Message) for event in feed(layer, data, to_server=to_server))
    layer.context(None)
