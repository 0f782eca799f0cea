"""Odd first bytes of a connection hide nothing: what a server would skip or take is skipped or taken here."""

import struct

import pytest

from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import parse_rule
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram
from tests.firmware.engine.test_engine import hello

REQUEST = b"GET /%62ad HTTP/1.1\r\nHost: evil.example\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD_PATH = (
    'http any any -> any any (msg:"x"; http.uri; content:"/bad"; http.host; content:"evil.example"; sid:1;)'
)


def unit(rule):
    return Unit(Engine(Signatures(RuleSet.build([parse_rule(rule)])), Settings()))


def told(rule, *said, port=80, size=1460):
    """Whether the rule was told of a conversation: (to the server, bytes) each."""
    guard, talk = unit(f"alert {rule}"), Tcp(server_port=port)
    guard.feed(talk.handshake())
    for to_server, data in said:
        guard.feed(talk.say(data, to_server=to_server, size=size))
    return bool(guard.engine.take_detections())


AT_ONCE = {
    "line end first": b"\r\n" + REQUEST,
    "line feed first": b"\n" + REQUEST,
    "three line ends first": b"\r\n" * 3 + REQUEST,
    "space first": b" " + REQUEST,
    "tab first": b"\t" + REQUEST,
    "zero byte first": b"\0" + REQUEST,
    "line of spaces first": b"  \r\n" + REQUEST,
    "lines of spaces first": b"  \n \n\r\n" + REQUEST,
    "tabs between": REQUEST.replace(b" ", b"\t", 2),
    "one tab between": REQUEST.replace(b" ", b"\t", 1),
    "vertical tab between": REQUEST.replace(b" ", b"\v", 1),
    "tab before the version": REQUEST.replace(b" HTTP", b"\tHTTP"),
    "digit in the method": REQUEST.replace(b"GET", b"GE7"),
    "method of one letter": REQUEST.replace(b"GET", b"X"),
    "sign in the method": REQUEST.replace(b"GET", b"G$T"),
    "long method": REQUEST.replace(b"GET", b"X" * 40),
    "method in lower case": REQUEST.replace(b"GET", b"get"),
    "protocol in lower case": REQUEST.replace(b"GET", b"X").replace(b"HTTP", b"http"),
    "long target": REQUEST.replace(b"GET /", b"DELETE /" + b"a" * 9000 + b"/"),
}


@pytest.mark.parametrize("size", [1460, 1, 30])
@pytest.mark.parametrize("name", AT_ONCE)
def test_the_first_request_is_seen_whatever_stands_before_or_within_its_line(name, size):
    assert told(BAD_PATH, (True, AT_ONCE[name]), size=size)


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST.replace(b"GET", b"G<T"),
        REQUEST.replace(b"GET", b"X").replace(b" HTTP/1.1", b""),
        REQUEST.replace(b"GET", b"X" * 900),
    ],
)
def test_a_request_like_no_other_is_seen_once_the_response_says_what_it_was(request_):
    assert not told(BAD_PATH, (True, request_))
    assert told(BAD_PATH, (True, request_), (False, OK))
    assert told(BAD_PATH, (True, request_), (False, OK), size=7)


PAGE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
TAILS = {
    "of a page": (False, b"<p>some text of a page</p>\r\n" * 40),
    "of a picture": (False, b"\xff\xd8" + bytes(range(256)) * 4),
    "of a form": (True, b'{"a": 1, "b": "cccccccccccccccccccccc"}'),
    "of a form with an empty line": (True, b"----bound\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n"),
}


@pytest.mark.parametrize("name", TAILS)
def test_the_rest_of_what_began_before_a_connection_was_joined_is_no_part_of_what_follows(name):
    """As after a start of the unit: what comes after it is read as ever."""
    for rule in (
        'http.method; content:"GET"; bsize:3; http.uri; content:"/fine"; bsize:5',
        'http.stat_code; content:"404"',
    ):
        guard, talk = unit(f'alert http any any -> any any (msg:"x"; {rule}; sid:1;)'), Tcp()
        to_server, data = TAILS[name]
        guard.feed(talk.say(data, to_server=to_server))
        guard.feed(talk.say(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n", to_server=True))
        guard.feed(talk.say(OK, to_server=False))
        guard.feed(talk.say(b"GET /fine HTTP/1.1\r\nHost: h\r\n\r\n", to_server=True))
        guard.feed(talk.say(PAGE, to_server=False))
        assert len(guard.engine.take_detections()) == 1


@pytest.mark.parametrize("junk", [b"GET\r\n\r\n", b"\1\2\3\r\n\r\n", b"GET \r\n\r\n" * 40, b"\t \r\n \n"])
@pytest.mark.parametrize("first", [b"", b"GET /fine HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_request_is_seen_behind_what_is_none(first, junk):
    said = [(True, first + junk + REQUEST), (False, OK)]
    assert told(BAD_PATH, *said)
    assert told(BAD_PATH, *said, size=1)


def test_what_is_no_request_is_answered_too():
    """Whose response is it: the file's would be the HEAD's, which has none."""
    rule = 'http any any -> any any (msg:"x"; flow:to_client; file.data; content:"EVIL"; sid:1;)'
    head, get = b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    bad = b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno"
    none = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    assert told(rule, (True, get + b"GET\r\n\r\n" + head + get), (False, OK + bad + none + none + b"EVIL"))


def test_what_is_kept_of_an_unknown_beginning_is_bounded():
    guard, talk = unit(f"alert {BAD_PATH}"), Tcp()
    guard.feed(talk.handshake() + talk.say(b"\1" * 20_000, to_server=True))
    (flow,) = guard.engine._flows.all()
    assert sum(len(each or b"") for each in flow.undetected) <= 8192
    guard.feed(talk.say(b"\1" * 100, to_server=False))
    assert flow.undetected == [None, None]
    assert flow.facts.application == "failed"


def test_a_request_after_tabs_has_target_and_protocol_of_its_own():
    rule = 'http any any -> any any (msg:"x"; http.protocol; content:"HTTP/1.1"; bsize:8; http.uri.raw; content:"/a b"; bsize:4; sid:1;)'
    assert told(rule, (True, b"GET\t/a b\tHTTP/1.1\r\nHost: h\r\n\r\n"))


NAMED = 'tls any any -> any any (msg:"x"; tls.sni; content:"evil.example"; sid:1;)'
HELLO = hello(b"evil.example")
WARNING, FATAL = b"\x15\x03\1\0\2\1\0", b"\x15\x03\1\0\2\2\x28"
HELLO_REQUEST = b"\x16\3\1\0\4\0\0\0\0"


@pytest.mark.parametrize("size", [1460, 1, 9])
@pytest.mark.parametrize(
    "before",
    [
        b"",
        WARNING,
        WARNING * 5,
        HELLO_REQUEST,
        HELLO_REQUEST + WARNING,
        b"\x16\3\1\0\1\0" * 4,
        b"\x16\3\1\0\0",
        b"\x15\3\1\0\1\1\x15\3\1\0\1\0",
    ],
)
def test_the_name_is_seen_behind_records_that_servers_skip(before, size):
    assert told(NAMED, (True, before + HELLO), port=443, size=size)


def test_a_warning_before_the_servers_hello_hides_it_not():
    rule = 'tls any any -> any any (msg:"x"; flow:to_client; tls.version:1.2; sid:1;)'
    server = b"\x16\x03\x03\x00\x2a\x02\0\0\x26\x03\x03" + bytes(32) + b"\0\x00\x2f\0"
    assert told(rule, (True, HELLO), (False, WARNING + server), port=443)


def test_nothing_follows_a_fatal_alert():
    guard, talk = unit(f"alert {NAMED}"), Tcp(server_port=443)
    guard.feed(talk.handshake() + talk.say(HELLO, to_server=True) + talk.say(FATAL, to_server=False))
    assert guard.last == "Decided"


def asking(*names, flags=0x100):
    questions = b"".join(
        b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0\0\1\0\1" for name in names
    )
    return struct.pack("!6H", 7, flags, len(names), 0, 0, 0) + questions


def framed(message):
    return len(message).to_bytes(2, "big") + message


FINE, EVIL = framed(asking(b"fine.example")), framed(asking(b"evil.example"))
QUERIED = 'dns any any -> any any (msg:"x"; dns.query; content:"evil.example"; sid:1;)'


@pytest.mark.parametrize("size", [1460, 1, 30])
@pytest.mark.parametrize(
    "before",
    [
        b"",
        FINE,
        framed(asking()),
        framed(asking()) * 30,
        FINE + framed(asking()),
        framed(asking(b"a.example", b"b.example")),
        framed(asking(*[b"a" * 60 + b"." + b"b" * 60] * 16)),
        FINE + framed(asking(b"\xc0\xff")),
        FINE + b"\0\0",
        b"\0\0" + FINE,
        b"\0\0" * 16 + framed(asking(b"a" * 60 + b"." + b"b" * 60)),
        FINE + framed(asking(b"a.example", flags=0x7800)),
        FINE + framed(b"x" * 30),
    ],
)
def test_a_query_over_tcp_is_seen_behind_messages_that_are_none(before, size):
    assert told(QUERIED, (True, before + EVIL), port=53, size=size)


def test_a_query_is_seen_behind_any_number_of_odd_datagrams():
    guard = unit(f"alert {QUERIED}")
    guard.feed([datagram(PC, SITE, 5000, 53, b"x")] * 500)
    assert guard.last == "Pass"
    guard.feed([datagram(PC, SITE, 5000, 53, asking(b"evil.example"))])
    assert guard.engine.take_detections()
    guard.feed([datagram(PC, SITE, 5001, 53, b"x" * 1400)] * 800)
    assert guard.last == "Decided"
