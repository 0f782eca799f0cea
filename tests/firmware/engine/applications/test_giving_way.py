"""A connection that changes its protocol: what follows a tunnel's opening or STARTTLS is told apart anew."""

import pytest

from omamori.firmware.engine.domains import build_table
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.signatures import Signatures
from omamori.protocol.vocabulary import Guard
from tests.firmware.engine.conversation import Tcp, Unit
from tests.firmware.engine.test_engine import hello

LISTS = {Guard.WG: build_table([("bad.example", "phishing")])}
OPENINGS = {
    "a proxy": [
        (True, b"CONNECT 203.0.113.7:443 HTTP/1.1\r\nHost: 203.0.113.7:443\r\n\r\n"),
        (False, b"HTTP/1.1 200 Connection established\r\n\r\n"),
    ],
    "an upgrade": [
        (True, b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: TLS/1.3\r\n\r\n"),
        (False, b"HTTP/1.1 101 Switching\r\nUpgrade: TLS/1.3\r\n\r\n"),
    ],
    "smtp": [
        (False, b"220 mail.example ESMTP\r\n"),
        (True, b"EHLO pc\r\n"),
        (False, b"250-mail.example\r\n250 STARTTLS\r\n"),
        (True, b"STARTTLS\r\n"),
        (False, b"220 go ahead\r\n"),
    ],
    "pop3": [(False, b"+OK ready\r\n"), (True, b"STLS\r\n"), (False, b"+OK begin\r\n")],
    "imap": [
        (False, b"* OK ready\r\n"),
        (True, b"a STARTTLS\r\n"),
        (False, b"a OK begin\r\n"),
    ],
    "ftp": [(False, b"220 FTP\r\n"), (True, b"AUTH TLS\r\n"), (False, b"234 begin\r\n")],
}


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize(("name", "last"), [(b"www.bad.example", "Block"), (b"good.example", "Pass")])
def test_the_name_in_the_hello_behind_it_is_judged(opening, name, last):
    guard, talk = Unit(Engine(Signatures(domains=LISTS))), Tcp(server_port=8080)
    guard.feed(talk.handshake())
    for to_server, said in OPENINGS[opening]:
        guard.feed(talk.say(said, to_server=to_server))
        assert guard.last == "Pass"
    guard.feed(talk.say(hello(name), to_server=True))
    assert guard.last == last
