"""The relay's public port: whoever shows no ticket of a live call gets nothing, and cannot keep anything."""

import json
import socket
import ssl
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.fleet.support.relay import Limits
from tests.firmware.support.relays import Fleet, authority

HELLO = json.dumps({"unit": "om-0001", "ticket": "a ticket"}).encode() + b"\n"


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    certificate = authority(tmp_path_factory.mktemp("tls"))
    limits = Limits(connections=6, of_one_unit=3, hello=6.0, wait=0.3, look=0.1)
    with Fleet(tmp_path_factory.mktemp("r"), certificate, limits) as fleet:
        yield fleet


def call(relay, hello=HELLO):
    context = ssl.create_default_context(cadata=relay.ca)
    plain = socket.create_connection(("127.0.0.1", relay.port), timeout=30)
    connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
    connection.sendall(hello)
    return connection


def helper(relay, unit="om-0001"):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(relay.socket))
    connection.sendall(json.dumps({"unit": unit}).encode() + b"\n")
    return connection


def line(connection):
    read = b""
    while not read.endswith(b"\n") and (byte := connection.recv(1)):
        read += byte
    return read


def waiting(relay, count):
    deadline = time.monotonic() + 60
    while relay.waiting() != count:
        assert time.monotonic() < deadline, relay.waiting()
        time.sleep(0.02)


def test_a_unit_waits_and_is_joined_with_the_helper(relay):
    with call(relay) as unit:
        assert line(unit) == b"wait\n"
        with helper(relay) as desk:
            assert line(desk) == b"go\n"
            while (word := line(unit)) == b"wait\n":
                pass
            assert word == b"go\n"
            desk.sendall(b"from the helper\n")
            assert line(unit) == b"from the helper\n"
            unit.sendall(b"from the unit\n")
            assert line(desk) == b"from the unit\n"
        assert line(unit) == b""
    waiting(relay, 0)


def test_nobody_waits_for_a_helper_of_another_unit(relay):
    with helper(relay, "om-0002") as desk:
        assert line(desk) == b"no\n"


@pytest.mark.parametrize(
    "hello",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        HELLO.replace(b"a ticket", b"another"),
        HELLO.replace(b"0001", b"0002"),
        b'{"unit": 1, "ticket": []}\n',
        b"[" * 400 + b"\n",
        b"x" * 200_000,
    ],
)
def test_whoever_shows_no_ticket_is_sent_away(relay, hello):
    with call(relay, b"") as stranger:
        try:
            stranger.sendall(hello)
            assert line(stranger) == b""
        except OSError:
            pass  # hung up in the middle of it
    waiting(relay, 0)


def test_silence_is_cut_off_and_one_unit_takes_few_places(relay):
    with call(relay, b"") as silent:
        assert line(silent) == b""
    lanes = [call(relay) for _ in range(3)]
    waiting(relay, 3)
    with call(relay) as more:
        assert line(more) == b""
    for lane in lanes:
        lane.close()
    waiting(relay, 0)


def test_a_call_that_is_over_is_cut_off(relay):
    with call(relay) as unit:
        waiting(relay, 1)
        relay.call = ""
        try:
            while word := line(unit):
                assert word == b"wait\n"
        finally:
            relay.call = "c0ffee"


def test_a_database_that_cannot_be_asked_cuts_nobody_off_and_lets_nobody_in(relay):
    with call(relay) as unit:
        waiting(relay, 1)
        relay.down = True
        try:
            for _ in range(3):
                assert line(unit) == b"wait\n"
            with call(relay) as other:
                assert line(other) == b""
        finally:
            relay.down = False
        assert line(unit) == b"wait\n"
    waiting(relay, 0)


@settings(max_examples=25)
@given(hello=st.binary(max_size=600))
def test_any_bytes_are_sent_away(relay, hello):
    with call(relay, b"") as stranger:
        try:
            stranger.sendall(hello + b"\n")
            assert line(stranger) == b""
        except OSError:
            pass
