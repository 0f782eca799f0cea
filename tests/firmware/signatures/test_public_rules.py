"""All active public rules in a pack, and the traffic of an ordinary office: nothing of it is blocked, attacks are."""

import gzip
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import dpkt
import pytest

from omamori.firmware.engine.engine import Engine
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.protocol.version import Version
from omamori.protocol.vocabulary import Action, Direction, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram
from tests.firmware.engine.test_engine import hello

pytestmark = [pytest.mark.corpus, pytest.mark.slow]
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
PAGE = b"<!DOCTYPE html><html><head><script>var a = 1;</script></head><body>ordinary page</body></html>" * 200


@pytest.fixture(scope="module")
def signatures(tmp_path_factory):
    folder = os.environ.get("OMAMORI_CORPUS")
    if not folder:
        pytest.skip("OMAMORI_CORPUS is not set: the public rules are not there")
    path = tmp_path_factory.mktemp("pack") / "public.pack"
    rules = read_rules([Path(folder) / "rules"])
    pack.build(path, Version.parse("1.0.0"), datetime(2026, 11, 1, tzinfo=UTC), pack.Content(rules))
    return pack.load(path)


@pytest.fixture
def unit(signatures) -> Unit:
    return Unit(Engine(signatures))


def response(body, kind="text/html", server="SimpleHTTP/0.6 Python/3.13.1", more=""):
    head = f"HTTP/1.0 200 OK\r\nServer: {server}\r\nContent-type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def request(method="GET", path="/", agent=BROWSER, body=b""):
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: www.company.example\r\nUser-Agent: {agent}\r\nAccept: */*\r\n{length}\r\n"
    return head.encode() + body


EXCHANGES = {
    "a page from a Python server": (request(), response(PAGE)),
    "a download by curl": (
        request(path="/big.bin", agent="curl/8.14.1"),
        response(random.Random(1).randbytes(2_000_000), "application/octet-stream"),
    ),
    "a program": (
        request(path="/setup.exe"),
        response(b"MZ" + random.Random(2).randbytes(300_000), "application/x-msdownload", "nginx"),
    ),
    "a compressed page": (
        request(),
        response(gzip.compress(PAGE), more="Content-Encoding: gzip\r\n", server="Apache"),
    ),
    "an interface": (
        request("POST", "/api/v1/orders?id=12&sort=date", "python-requests/2.32.3", json.dumps({"a": 1}).encode()),
        response(b'{"ok": true}', "application/json"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("inbound", [False, True], ids=["outbound", "inbound"])
def test_ordinary_web_traffic_passes(unit, name, inbound):
    asked, answered = EXCHANGES[name]
    talk = Tcp(client=SITE, server=PC) if inbound else Tcp()
    packets = (
        talk.handshake() + talk.say(asked, to_server=True) + talk.say(answered, to_server=False, size=14_600)
    )
    passed = unit.feed(packets)
    found = unit.engine.take_detections()
    assert passed == packets, [each.reason for each in found]
    assert {each.action for each in found} <= {Action.LOGGED}
    assert {each.severity for each in found} <= {Severity.ONE}


def test_ordinary_names_and_tls_pass(unit):
    names = (
        "www.example.com",
        "outlook.office365.com",
        "www.google.com",
        "update.microsoft.com",
        "www.company.co.jp",
    )
    packets = []
    for number, name in enumerate(names):
        question = dpkt.dns.DNS(id=number, qd=[dpkt.dns.DNS.Q(name=name)])
        packets.append(datagram(PC, SITE, 50_000 + number, 53, bytes(question)))
        talk = Tcp(client_port=41_000 + number, server_port=443)
        packets += talk.handshake() + talk.say(hello(name.encode()), to_server=True)
    assert unit.feed(packets) == packets, [each.reason for each in unit.engine.take_detections()]


def test_attacks_are_still_blocked(unit):
    talk = Tcp(client=SITE, server=PC)
    unit.feed(talk.handshake())
    shock = request(path="/cgi-bin/status", agent="() { :; }; /bin/cat /etc/passwd")
    assert unit.feed(talk.say(shock, to_server=True)) == []
    found = unit.engine.take_detections()
    assert Action.BLOCKED in {each.action for each in found}
    assert {(each.direction, each.severity) for each in found} == {(Direction.INBOUND, Severity.ONE)}
