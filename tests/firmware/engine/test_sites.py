"""Lists of sites: names, pages and addresses looked up in compact tables, whatever is asked for and however many there are."""

import ipaddress
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine import eve, hashed
from omamori.firmware.engine.addresses import Ranges, build_addresses
from omamori.firmware.engine.antivirus import Antivirus, literal
from omamori.firmware.engine.domains import build_table, listable
from omamori.firmware.engine.engine import Engine
from omamori.firmware.engine.errors import SignatureError
from omamori.firmware.engine.hashed import HashTable
from omamori.firmware.engine.packet import parse
from omamori.firmware.engine.signatures import Signatures
from omamori.firmware.engine.urls import build_urls, spelled
from omamori.protocol.vocabulary import Action, Guard, Severity
from tests.firmware.engine.conversation import PC, SITE, Tcp, Unit, datagram
from tests.firmware.engine.mails import MARK

URLS = build_urls(
    [
        ("http://www.shop.example/a/login.php", "phishing"),
        ("blog.example/bad", "malware"),
        ("blog.example/bad/worse", "c2"),
        ("host.example/?id=7", "phishing"),
        ("first.example/", "scam"),
        ("192.0.2.7/x", "malware"),
        ("odd.example/a%20b", "phishing"),
    ]
)


@pytest.mark.parametrize(
    ("host", "target", "category"),
    [
        ("shop.example", b"/a/login.php", "phishing"),
        ("www.shop.example", b"/a/login.php?x=1", "phishing"),
        ("shop.example", b"http://shop.example/a/login.php", "phishing"),
        ("shop.example", b"/a/login.php5", None),
        ("shop.example", b"/b/a/login.php", None),
        ("sub.shop.example", b"/a/login.php", None),
        ("blog.example", b"/bad", "malware"),
        ("blog.example", b"//bad/./", "malware"),
        ("blog.example", b"/bad/page/7?q=/x", "malware"),
        ("blog.example", b"/bad/worse/x", "c2"),
        ("blog.example", b"/badly", None),
        ("host.example", b"/?id=7", "phishing"),
        ("host.example", b"/?id=8", None),
        ("host.example", b"/", None),
        ("first.example", b"/", "scam"),
        ("first.example", b"/other", None),
        ("192.0.2.7", b"/x", "malware"),
        ("odd.example", b"/a%20b", "phishing"),
        ("odd.example", b"/%61 b", "phishing"),
        ("shop.example", b"/" + b"a/" * 5000, None),
        ("shop.example", b"*", None),
        ("shop.example", b"\xff\xfe%", None),
    ],
)
def test_pages(host, target, category):
    hit = URLS.lookup(host, target)
    assert (hit and hit.category) == category


@pytest.mark.parametrize("text", ["", "ftp://x.example/a", "/path", "x y/z", "h.example/" + "a" * 5000])
def test_what_is_no_url(text):
    assert spelled(text) is None
    with pytest.raises(SignatureError):
        build_urls([(text, "x")])


NETWORKS = build_addresses(
    [
        ("198.51.100.0/24", "botnet"),
        ("198.51.100.128/25", "scam"),
        ("198.51.100.200", "c2"),
        ("198.51.100.255", "malware"),
        ("203.0.113.9", "c2"),
        ("2001:db8::/32", "botnet"),
        ("2001:db8::7", "c2"),
    ]
)


@pytest.mark.parametrize(
    ("address", "category"),
    [
        ("198.51.99.255", None),
        ("198.51.100.0", "botnet"),
        ("198.51.100.127", "botnet"),
        ("198.51.100.128", "scam"),
        ("198.51.100.199", "scam"),
        ("198.51.100.200", "c2"),
        ("198.51.100.201", "scam"),
        ("198.51.100.254", "scam"),
        ("198.51.100.255", "malware"),
        ("198.51.101.0", None),
        ("0.0.0.1", None),
        ("255.255.255.255", None),
        ("2001:db8::6", "botnet"),
        ("2001:db8::7", "c2"),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "botnet"),
        ("2001:db9::", None),
    ],
)
def test_addresses(address, category):
    hit = NETWORKS.lookup(ipaddress.ip_address(address).packed)
    assert (hit and hit.category) == category


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=12),
    st.lists(st.integers(0, 511), min_size=1, max_size=40),
)
def test_the_most_exact_network_counts_however_they_nest(networks, probes):
    listed = [
        (str(ipaddress.ip_network((f"10.0.0.{last}", length), strict=False)), f"/{length}")
        for last, length in networks
    ]
    table = build_addresses(listed)
    for probe in probes:
        address = ipaddress.IPv4Address(int(ipaddress.IPv4Address("10.0.0.0")) + probe)
        holding = [
            ipaddress.ip_network(text).prefixlen
            for text, _ in listed
            if address in ipaddress.ip_network(text)
        ]
        hit = table.lookup(address.packed)
        assert (hit and hit.category) == (f"/{max(holding)}" if holding else None)


@settings(max_examples=150)
@given(st.binary(max_size=100), st.integers(0, 3))
def test_tables_of_any_bytes_are_refused_or_answer(raw, categories):
    names = tuple("abc"[:categories])
    for make in (
        lambda: HashTable(raw, names).get("x.example"),
        lambda: Ranges(raw, 4).number(b"\x0a\0\0\x01"),
    ):
        try:
            make()
        except SignatureError:
            continue


def test_a_table_is_its_bytes_and_holds_what_went_in():
    chooser = random.Random(1)
    names = [f"h{chooser.randrange(10**9)}.example" for _ in range(5000)]
    table = hashed.build((name, f"c{number % 7}") for number, name in enumerate(names))
    again = HashTable(memoryview(bytes(table.raw)), table.categories)
    assert len(table.raw) == 10 * len(set(names))
    first = {name: number for number, name in reversed(list(enumerate(names)))}
    assert all(again.get(name) == f"c{number % 7}" for name, number in first.items())
    assert not any(again.get("x" + name) for name in names)


def guard(**tables):
    return Unit(Engine(Signatures(**tables)))


def test_a_listed_page_is_blocked_and_its_neighbour_passes():
    unit = guard(urls={Guard.WG: build_urls([("blog.example/bad", "malware")])})
    for port, path, passes in ((40_000, "/good", True), (40_001, "/bad/x", False)):
        talk = Tcp(client_port=port)
        said = talk.handshake() + talk.say(
            f"GET {path} HTTP/1.1\r\nHost: Blog.Example\r\n\r\n".encode(), to_server=True
        )
        assert (len(unit.feed(said)) == len(said)) is passes
    (told,) = unit.engine.take_detections()
    assert (told.guard, told.signature_id, told.action) == (Guard.WG, "wg:blog.example/bad", Action.BLOCKED)
    assert (told.category, told.detail, told.severity) == ("malware", "blog.example/bad/x", Severity.TWO)


SECRETS = [
    (b"GET http://bob:s3cret@Host.Example/bad/page", b"Host: host.example"),
    (b"GET http://bob:s3@cret@host.example:80/bad/page", b"Host: bob:s3cret@host.example"),
    (b"GET /bad/page", b"Host: bob:s3cret@host.example"),
]


@pytest.mark.parametrize("fields", SECRETS)
def test_credentials_in_a_url_are_neither_kept_nor_shown(fields):
    unit, talk = guard(urls={Guard.WG: build_urls([("host.example/bad/page", "phishing")])}), Tcp()
    referer = b"Referer: http://bob:s3cret@other.example/\r\n\r\n"
    unit.feed(talk.handshake() + talk.say(b" HTTP/1.1\r\n".join(fields) + b"\r\n" + referer, to_server=True))
    page = b"".join(parse(reply.packet).payload for reply in unit.verdicts[-1].replies)
    (told,) = unit.engine.take_sightings()
    assert told.detection.detail == "host.example/bad/page"
    assert told.context.subject == "http://host.example/bad/page"
    assert told.context.http["http_refer"] == "http://other.example/"
    assert b"host.example/bad/page" in page
    assert "cret" not in f"{told} {eve.line(told)} {page!r}"


def test_credentials_in_a_redirect_or_a_tunnel_are_not_kept():
    unit, talk = Unit(Engine(Signatures(antivirus=Antivirus([literal("av:mark", "Test.Mark", MARK)])))), Tcp()
    asked = b"CONNECT bob:s3cret@host.example:443 HTTP/1.1\r\n\r\n"
    answer = (
        b"HTTP/1.1 302 Found\r\nLocation: https://bob:s3cret@other.example/x\r\nContent-Length: %d\r\n\r\n"
    )
    unit.feed(talk.handshake() + talk.say(asked, to_server=True))
    unit.feed(talk.say(answer % len(MARK) + MARK, to_server=False))
    (told,) = unit.engine.take_sightings()
    assert told.context.http["redirect"] == "https://other.example/x"
    assert (told.context.http["url"], told.context.http["hostname"]) == ("host.example:443", "host.example")
    assert "s3cret" not in f"{told} {eve.line(told)}"


@pytest.mark.parametrize("target", [b"http://host.example?id=7", b"HTTP://a:b@host.example:80?id=7"])
def test_an_absolute_target_without_a_path_is_looked_up_by_its_query(target):
    hit = URLS.lookup("host.example", target)
    assert hit
    assert hit.category == "phishing"


def test_pipelined_requests_are_each_looked_up_by_their_own_page():
    unit, talk = guard(urls={Guard.WG: build_urls([("blog.example/bad", "malware")])}), Tcp()
    two = b"GET /bad HTTP/1.1\r\nHost: blog.example\r\n\r\nGET /fine HTTP/1.1\r\nHost: blog.example\r\n\r\n"
    unit.feed(talk.handshake())
    assert unit.feed(talk.say(two, to_server=True)) == []


@pytest.mark.parametrize(("outbound", "severity"), [(True, Severity.THREE), (False, Severity.ONE)])
def test_a_listed_address_is_blocked_at_its_first_bytes_whatever_is_spoken(outbound, severity):
    unit = guard(addresses={Guard.WG: NETWORKS, Guard.UF: NETWORKS})
    talk = Tcp(server_port=5555) if outbound else Tcp(client=SITE, server=PC, server_port=5555)
    unit.feed(talk.handshake() + talk.say(b"\x00\x01\x02", to_server=True))
    assert unit.last == "Block"
    told = {each.guard: each for each in unit.engine.take_detections()}
    assert set(told) == ({Guard.WG, Guard.UF} if outbound else {Guard.WG})
    assert (told[Guard.WG].category, told[Guard.WG].severity, told[Guard.WG].detail) == ("c2", severity, SITE)


def test_a_listed_address_is_blocked_over_udp_and_version_6():
    unit = guard(addresses={Guard.WG: NETWORKS})
    unit.feed([datagram(PC, "198.51.100.9", 4000, 4001, b"hello")])
    assert unit.last == "Block"
    unit = Unit(Engine(Signatures(addresses={Guard.WG: NETWORKS})), inside="fd00::1")
    unit.feed(
        [
            datagram("fd00::1", "2001:db8::9", 4000, 4001, b"hello"),
            datagram("fd00::1", "2001:db9::9", 4000, 4001, b"x"),
        ]
    )
    assert [type(each).__name__ for each in unit.verdicts] == ["Block", "Pass"]


def test_names_are_still_found_by_their_parents():
    table = build_table([("bad.example", "phishing"), ("*.worse.example", "c2")])
    assert table.lookup("a.b.bad.example").domain == "bad.example"
    assert table.lookup("worse.example").category == "c2"
    assert table.lookup("notbad.example") is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (b"www.Evil.Example.", "www.evil.example"),
        (b"evil.example:8080", "evil.example"),
        (b"\xbc\xfd.evil.example", "evil.example"),
        (b"a b.evil.example", "evil.example"),
        (b"a/b.evil.example", "evil.example"),
        (b"a:b.evil.example", "evil.example"),
        (b"[a].evil.example", "evil.example"),
        (b"c.\0.b.evil.example", "b.evil.example"),
        ("\u200b.evil.example".encode(), "evil.example"),
        ("ev\u200bil.example".encode(), "evil.example"),
        ("a.\u00fcnicode\u3002example".encode(), "a.xn--nicode-2ya.example"),
        (b"a" * 300 + b".evil.example", "evil.example"),
        (b"a." * 150 + b"evil.example", "a." * 120 + "evil.example"),
        (b"_sip._tcp.evil.example", "_sip._tcp.evil.example"),
        (b"[2001:db8::1]:80", "2001:db8::1"),
        (b"192.0.2.7:80", "192.0.2.7"),
        (b"evil.exa mple", None),
        (b" . ", None),
        (b"", None),
    ],
)
def test_what_of_a_name_may_be_listed(name, wanted):
    assert listable(name) == wanted


@given(st.binary(max_size=300))
def test_nothing_before_a_listed_name_hides_it(before):
    assert (listable(before + b".evil.example") or "").endswith("evil.example")


@pytest.mark.parametrize("label", [b"\xbc\xfd", b"a b", b"a/b", b"a:b", b"[x]", "\u200b".encode()])
def test_a_question_below_a_listed_domain_is_stopped_whatever_its_label_is(label):
    labels = b"".join(bytes([len(each)]) + each for each in (label, b"evil", b"example"))
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    unit = guard(domains={Guard.WG: build_table([("evil.example", "malware")])})
    unit.feed([datagram(PC, SITE, 4000, 53, query)])
    assert unit.last == "Drop"
    (told,) = unit.engine.take_detections()
    assert (told.signature_id, told.detail) == ("wg:evil.example", "evil.example")
