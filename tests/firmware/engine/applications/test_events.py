"""What is odd about a message is an event, under Suricata's names, and rules match on it."""

import pytest

from omamori.firmware.engine.applications.dns import Dns
from omamori.firmware.engine.applications.http import Http
from omamori.firmware.engine.applications.layer import Message
from omamori.firmware.engine.applications.tls import Tls
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips.ruleset import RuleSet
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Mode, Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata.parser import parse_rule
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram

NEEDS = frozenset(("events", "file.data"))
PLAIN = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def raised(layer, data, *, to_server=True):
    events = layer.feed(Piece(0, 0, data), NEEDS, to_server=to_server)
    return {name for event in events if isinstance(event, Message) for name in event.events}


@pytest.mark.parametrize(
    ("head", "events"),
    [
        (PLAIN, set()),
        (b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic dTpw\r\n\r\n", set()),
        (b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Odd x\r\n\r\n", {"http.request_auth_unrecognized"}),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            {"http.invalid_transfer_encoding_value_in_request"},
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1x\r\n\r\n1",
            {"http.invalid_content_length_field_in_request"},
        ),
        (b"GET / HTTP/1.1\r\n\r\n", {"http.missing_host_header"}),
        (b"GET / HTTP/1.0\r\n\r\n", set()),
        (b"GET / HTTP/1.1\r\nHost: h h\r\n\r\n", {"http.header_host_invalid"}),
        (b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", {"http.host_header_ambiguous"}),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: y\r\nnothing\r\n\r\n", {"http.request_field_missing_colon"}),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            {"http.invalid_request_field_folding", "http.header_host_invalid"},
        ),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\nx: 2\r\n\r\n", {"http.request_header_repetition"}),
        (b"GET /%2541 HTTP/1.1\r\nHost: h\r\n\r\n", {"http.double_encoded_uri"}),
        (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", {"http.uri_delim_non_compliant"}),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            set(),
        ),
    ],
)
def test_of_a_request(head, events):
    http = Http(Settings())
    assert raised(http, head) == events


def test_of_a_chunk_that_is_none():
    http = Http(Settings())
    raised(http, PLAIN)
    raised(http, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", to_server=False)
    names = {name for event in http.end(NEEDS) if isinstance(event, Message) for name in event.events}
    assert names == {"http.invalid_response_chunk_len"}


@pytest.mark.parametrize(
    ("head", "events"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", set()),
        (b"HTTP/1.1 OK\r\n\r\n", {"http.response_invalid_status"}),
        (b"HTTP/1.x 200 OK\r\n\r\n", {"http.response_invalid_protocol"}),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, gzip\r\n\r\n",
            {"http.too_many_encoding_layers"},
        ),
    ],
)
def test_of_a_response(head, events):
    http = Http(Settings())
    raised(http, PLAIN)
    assert raised(http, head, to_server=False) == events


def test_of_tls_and_dns():
    assert raised(Tls(), b"\x17\x04\x03\0\x05hello") == {"tls.invalid_record_type"}
    assert raised(Tls(), b"\x16\x03\x01\0\x06\1\0\0\2\x03\x03") == {"tls.invalid_handshake_message"}
    question = b"\0\1\x01\x40\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"
    dns = Dns(framed=False)
    assert raised(dns, question) == {"dns.z_flag_set"}
    assert raised(dns, question[:-3]) == {"dns.malformed_data"}


RULES = """
alert http any any -> any any (msg:"auth"; app-layer-event:http.request_auth_unrecognized; sid:1;)
alert tcp any any -> any any (msg:"overlap"; stream-event:reassembly_overlap_different_data; sid:2;)
alert ipv6 any any -> any any (msg:"routing"; decode-event:ipv6.rh_type_0; sid:3;)
alert dns any any -> any any (msg:"reserved"; app-layer-event:dns.z_flag_set; sid:4;)
"""


def test_rules_match_on_events():
    rules = RuleSet.build([parse_rule(line) for line in RULES.strip().splitlines()])
    guard = Unit(Engine(Signatures(rules), Settings(mode=Mode.OBSERVE)))
    talk = Tcp()
    odd = b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Odd x\r\n\r\n"
    guard.feed([*talk.handshake(), *talk.say(odd, to_server=True)])
    guard.feed([talk.packet(to_server=True, payload=odd.swapcase(), sequence=1001)])
    guard.feed([datagram(PC, SITE, 5353, 53, b"\0\1\x01\x40\0\1\0\0\0\0\0\0\1a\0\0\1\0\1")])
    assert {each.signature_id for each in guard.engine.take_detections()} == {"1:1", "1:2", "1:4"}
