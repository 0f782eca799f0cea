"""Buffers of rules that mail, FTP, QUIC and files fill: a rule through the engine finds its text there, and only there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.applications.ftp import Ftp
from omamori.firmware.engine.applications.layer import Message
from omamori.firmware.engine.applications.smtp import Smtp
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.ips import RuleSet
from omamori.firmware.engine.reassembly import Piece
from omamori.firmware.engine.settings import Settings
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.signatures.suricata import Unsupported, parse_rule
from tests.firmware.engine.applications.quic_client import crypto, hello, initial
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram
from tests.firmware.engine.mails import dotted, mail

GREETING = [
    (False, b"220 mx.example ESMTP\r\n"),
    (True, b"EHLO pc.example\r\n"),
    (False, b"250 mx.example\r\n"),
]
PATHS = b"MAIL FROM:<boss@from.example> SIZE=900\r\nRCPT TO: <first@to.example>\r\nRCPT TO:<second@to.example>\r\n"
MAIL = mail(("invoice.exe", b"MZ" + b"x" * 500, "base64"))
SENT = [
    *GREETING,
    (True, PATHS + b"DATA\r\n"),
    (False, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n"),
    (True, dotted(MAIL)),
    (False, b"250 queued\r\n"),
]
OVER_FTP = [
    (False, b"220-welcome to FTP\r\n220 ready\r\n"),
    (True, b"user anonymous\r\n"),
    (False, b"331 Please specify the password.\r\n"),
    (True, b"QUIT\r\n"),
    (False, b"221 bye\r\n"),
]
PUT = b"PUT /files/my%20tool.exe?x=1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello"
FORM = (
    b"--q\r\nContent-Disposition: form-data; name=a; filename=one.txt\r\n\r\n1\r\n"
    b"--q\r\nContent-Disposition: form-data; name=b; filename=two.exe\r\n\r\n2\r\n--q--\r\n"
)
POST = b"POST /up HTTP/1.1\r\nHost: a.example\r\nContent-Type: multipart/form-data; boundary=q\r\n" + (
    b"Content-Length: %d\r\n\r\n" % len(FORM) + FORM
)
GOT = [
    (True, b"GET /download?id=7 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    (
        False,
        b'HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename="tool.exe"\r\nContent-Length: 5\r\n\r\nhello',
    ),
]
PLAIN = [(True, GOT[0][1]), (False, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")]


def unit(options, protocol="tcp"):
    rule = parse_rule(f'alert {protocol} any any -> any any (msg:"TEST"; {options} sid:7;)')
    return Unit(Engine(Signatures(RuleSet.build([rule]))))


def matches(options, said, *, port=80, size=1460, protocol="tcp", end=False):
    guard, talk = unit(options, protocol), Tcp(server_port=port)
    guard.feed(talk.handshake())
    for to_server, data in said:
        guard.feed(talk.say(data, to_server=to_server, size=size))
    if end:
        guard.engine.flush(guard.now + 1)
    return [detection.signature_id for detection in guard.engine.take_detections()] == ["1:7"]


@pytest.mark.parametrize("size", [1460, 9])
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ('smtp.helo; content:"pc.example"; startswith; endswith;', True),
        ('smtp.mail_from; content:"<boss@from.example>"; startswith; endswith;', True),
        ('smtp.rcpt_to; content:"<first@to.example>"; startswith; endswith;', True),
        ('smtp.rcpt_to; content:"second@to.example";', True),
        ('smtp.rcpt_to; content:"boss@from.example";', False),
        ('smtp.mail_from; content:"boss@"; smtp.rcpt_to; content:"second@"; file.data; content:"MZ";', True),
        ('file.name; content:"invoice.exe"; startswith; endswith;', True),
        ('file.name; content:"invoice"; file.data; content:"MZ";', True),
        ('fileext:"exe"; file.data; content:"MZ";', True),
        ('fileext:"doc";', False),
    ],
)
def test_a_mails_envelope_and_files(options, found, size):
    assert matches(options, SENT, port=25, size=size) is found


@pytest.mark.parametrize("last", [[(True, b"RSET\r\n")], [(True, b"QUIT\r\n")], []])
def test_an_envelope_without_a_mail_is_seen_too(last):
    said = [*GREETING, (True, PATHS), *last]
    assert matches('smtp.rcpt_to; content:"second@";', said, port=25, protocol="smtp", end=True)


def test_who_greeted_is_seen_before_the_connection_is_encrypted():
    said = [*GREETING, (True, b"STARTTLS\r\n"), (False, b"220 go\r\n")]
    assert matches('smtp.helo; content:"pc.example";', said, port=25)


def test_the_next_mail_has_an_envelope_of_its_own():
    other = [(True, b"MAIL FROM:<>\r\nRCPT TO:<third@to.example>\r\nDATA\r\n")]
    both = 'smtp.rcpt_to; content:"first@"; smtp.rcpt_to; content:"third@";'
    assert not matches(both, [*SENT, *other], port=25)
    assert matches('smtp.mail_from; content:"<>"; startswith; endswith;', [*SENT, *other], port=25)


def test_the_receivers_that_are_kept_are_bounded():
    many = b"".join(b"RCPT TO:<n%05d@to.example>\r\n" % number for number in range(5000))
    said = [*GREETING, (True, b"MAIL FROM:<a@b.example>\r\n" + many + b"DATA\r\n")]
    assert matches('smtp.rcpt_to; content:"n00099@";', said, port=25)
    assert not matches('smtp.rcpt_to; content:"n00100@";', said, port=25)


def test_a_mail_that_is_fetched_has_file_names():
    said = [(False, b"+OK ready\r\n"), (True, b"RETR 1\r\n"), (False, b"+OK\r\n" + dotted(MAIL))]
    assert matches('file.name; content:"invoice.exe";', said, port=110, protocol="pop3")


@pytest.mark.parametrize("size", [1460, 3])
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ('ftp.command; content:"USER"; startswith; endswith;', True),
        ('ftp.command; content:"USER"; ftp.command_data; content:"anonymous"; startswith; endswith;', True),
        ('ftp.command; content:"QUIT"; ftp.command_data; content:"anonymous";', False),
        ('ftp.reply; content:"Please specify the password."; startswith; endswith;', True),
        ('ftp.reply; content:"welcome to FTP"; startswith;', True),
        ('ftp.reply; content:"331";', False),
    ],
)
def test_what_is_said_over_ftp(options, found, size):
    assert matches(options, OVER_FTP, port=21, size=size, protocol="ftp") is found


def test_a_file_over_ftp_has_the_name_that_was_asked_for():
    guard, control = unit('file.name; content:"down.exe"; startswith; endswith;'), Tcp(server_port=21)
    guard.feed(control.handshake())
    agreed = b"227 Entering (203,0,113,9,156,64)\r\n"
    for to_server, data in [(False, OVER_FTP[0][1]), (True, b"PASV\r\n"), (False, agreed), (True, b"RETR down.exe\r\n")]:  # fmt: skip
        guard.feed(control.say(data, to_server=to_server))
    assert guard.engine.take_detections() == []
    data = Tcp(client_port=50_000, server_port=40_000)
    guard.feed([*data.handshake(), *data.say(b"MZ" + b"x" * 500, to_server=False)])
    assert [detection.signature_id for detection in guard.engine.take_detections()] == ["1:7"]


@pytest.mark.parametrize(
    ("options", "said", "found"),
    [
        ('file.name; content:"tool.exe"; startswith; endswith;', GOT, True),
        ('file.name; content:"/download"; startswith; endswith;', PLAIN, True),
        ('file.name; content:"/download";', GOT, False),
        ('file.name; content:"/files/my tool.exe"; startswith; endswith;', [(True, PUT)], True),
        ('fileext:"exe"; http.method; content:"PUT";', [(True, PUT)], True),
        ('file.name; content:"one.txt";', [(True, POST)], True),
        ('file.name; content:"two.exe"; startswith; endswith;', [(True, POST)], True),
        ('file.name; content:"/up";', [(True, POST)], False),
        ('file.name; content:"download";', GOT[:1], False),
    ],
)
@pytest.mark.parametrize("size", [1460, 11])
def test_files_over_http_have_names(options, said, found, size):
    assert matches(options, said, size=size, protocol="http") is found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ('quic.sni; content:"www.example"; startswith; endswith;', True),
        ('quic.version; content:"1"; bsize:1;', True),
        ('quic.sni; content:"other";', False),
    ],
)
def test_what_a_quic_client_asks_for(options, found):
    guard = unit(options, "quic")
    guard.feed([datagram(PC, SITE, 50_000, 443, initial(crypto(0, hello(b"www.example"))))])
    assert [detection.signature_id for detection in guard.engine.take_detections()] == ["1:7"] * found


@pytest.mark.parametrize(
    "name", ["quic.ua", "quic.cyu.hash", "quic.cyu.string", "email.url", "email.from", "email.subject"]
)
def test_a_buffer_that_nothing_fills_is_refused_by_name(name):
    with pytest.raises(Unsupported) as told:
        parse_rule(f'alert tcp any any -> any any ({name}; content:"a"; sid:1;)')
    assert told.value.what == name


WORDS = st.sampled_from(
    [b"HELO ", b"EHLO", b"MAIL FROM:", b"RCPT TO: <", b"RSET\r\n", b"DATA\r\n", b".\r\n", b"BDAT 3 LAST\r\n", b"QUIT\r\n", b"\r\n", b"\xff\xf4", b"USER ", b"331-"]
)  # fmt: skip
NEEDS = frozenset(
    [
        "smtp.helo",
        "smtp.mail_from",
        "smtp.rcpt_to",
        "ftp.command",
        "ftp.command_data",
        "ftp.reply",
        "file.name",
        "file.data",
    ]
)


@pytest.mark.parametrize("parser", [Smtp, Ftp])
@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.lists(WORDS | st.binary(max_size=9), max_size=9).map(b"".join))))
def test_any_lines_make_buffers_that_were_asked_for(parser, said):
    layer, at = parser(Settings()), [0, 0]
    events = []
    for to_server, data in said:
        events += layer.feed(Piece(at[to_server], 0, data), NEEDS, to_server=to_server)
        at[to_server] += len(data)
    events += layer.end(NEEDS)
    shown = [event for event in events if isinstance(event, Message)]
    assert all(event.buffers and event.buffers.keys() <= NEEDS for event in shown)
