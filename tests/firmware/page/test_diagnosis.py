"""What the page says, through the real process: every code, both languages, whatever the files hold."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.page.language import chosen
from omamori.firmware.page.markup import tag
from omamori.firmware.page.scenes import SCENES
from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import Side, WiringCode
from tests.firmware.page.conftest import host

VOID = {"meta", "input", "br"}


class Nesting(HTMLParser):
    """Fails where elements do not close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.words = [], []

    def handle_starttag(self, tag, attrs):
        assert tag != "script"
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def get(base, path="/", method="GET", **headers):
    where = urlsplit(base)
    connection = HTTPConnection(where.hostname, where.port, timeout=20)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


def words(document):
    parser = Nesting()
    parser.feed(document)
    assert parser.open == []
    return " ".join(parser.words)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_code_has_its_page_with_a_picture_in_under_100_kb(unit, page, language):
    for code, entry in CODES.items():
        unit.wired(code)
        response, document = get(page, Accept_Language=language)
        told = words(document)
        assert response.status == 200
        assert len(document.encode()) < 100_000
        assert entry.name.of(language) in told
        assert all(step.of(language) in told for step in entry.steps)
        pictures = re.findall(r"<svg.*?</svg>", document)
        assert len(pictures) == 1 + SCENES[code].moves
        assert all(ET.fromstring(picture).attrib["role"] == "img" for picture in pictures)  # noqa: S314 - made here


def test_several_findings_are_all_told_root_cause_first(unit, page):
    unit.wired(WiringCode.PPPOE_UPSTREAM, WiringCode.NO_ADDRESS)
    document = get(page, Accept_Language="en")[1]
    assert document.index("PPPOE_UPSTREAM") < document.index("NO_ADDRESS")
    assert "proposed: 192.168.10.250/24" in document
    assert "提案：192.168.10.250/24" in get(page, Accept_Language="ja")[1]


def test_a_page_of_the_worst_day_is_small(unit, page):
    unit.wired(*CODES)
    crowd = [host(n % 250 + 1, side=side, name=f"端末{n}") for n in range(500) for side in Side]
    unit.hosts(*crowd)
    document = get(page)[1]
    assert len(document.encode()) < 100_000
    assert "450" in words(document)


def test_the_picture_follows_the_evidence_of_a_slow_cable(unit, page):
    unit.wired(WiringCode.SLOW_LINK)
    assert get(page)[1].count('class="wire bad"') == 1


def test_what_is_missing_or_broken_reads_as_not_known_yet(unit, page):
    for path in (unit.paths.wiring, unit.paths.hosts, unit.paths.agent_status):
        path.write_bytes(b'{"findings": [')
    response, document = get(page, Accept_Language="en")
    assert response.status == 200
    assert "The wiring is being checked" in words(document)
    assert "The unit is starting" in words(document)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            {"phase": "waiting for the button", "activated": False, "connected": False},
            "Press the activation button on the unit once.",
        ),
        (
            {"phase": "key lost", "activated": False, "connected": False},
            "Please call the help desk; once they have",
        ),
        ({"phase": "asking the fleet", "activated": False, "connected": False}, "is asking our server"),
        ({"phase": "no claim", "activated": False, "connected": False}, "not prepared at the factory"),
        ({"connected": False}, "Not connected to our server"),
        ({"problem": "the broker is <b>silent</b>"}, "the broker is <b>silent</b>"),
    ],
)
def test_activation_is_told(unit, page, told, expected):
    unit.agent(**told)
    assert expected in words(get(page, Accept_Language="en")[1])


def test_what_the_agent_says_is_told_in_the_readers_language(unit, page):
    unit.agent(problem="this unit was activated before, with another key (409)")
    assert "以前に別の鍵で有効化されています" in get(page, Accept_Language="ja")[1]
    assert "with another key" in get(page, Accept_Language="en")[1]
    unit.agent(problem="a trouble of next year")
    assert '<span lang="en">a trouble of next year</span>' in get(page, Accept_Language="ja")[1]


def test_a_hosts_name_stays_text(unit, page):
    unit.hosts(host(10, name='<script>alert(1)</script>"><img src=x onerror=y>'))
    document = get(page)[1]
    assert '<script>alert(1)</script>"><img src=x onerror=y>' in words(document)


def test_every_answer_carries_the_headers_that_keep_a_browser_safe(page):
    for path in ("/", "/nothing"):
        response = get(page, path)[0]
        policy = response.getheader("Content-Security-Policy")
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert response.getheader("Cache-Control") == "no-store"
        assert "Python" not in str(response.getheader("Server"))


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("omamori.local", 200),
        ("OMAMORI.local.", 200),
        ("omamori2.local:80", 200),
        ("192.168.10.250", 200),
        ("[fe80::1%25eth0]", 200),
        ("evil.example", 421),
        ("omamori.local.evil.example", 421),
        ("[fe80::", 421),
        ("", 421),
    ],
)
def test_a_foreign_name_is_refused(page, name, status):
    assert get(page, Host=name)[0].status == status


def test_other_paths_and_methods(page):
    assert get(page, "/nothing")[0].status == 404
    assert get(page, "/../../etc/passwd")[0].status == 404
    assert get(page, "//[")[0].status == 404
    assert get(page, "/", "PUT")[0].status == 501
    response, document = get(page, "/", "HEAD")
    assert (response.status, document) == (200, "")
    assert int(response.getheader("Content-Length")) > 1000


@pytest.mark.parametrize(
    ("accept", "asked", "expected"),
    [
        ("ja,en-US;q=0.9,en;q=0.8", "", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "", "en"),
        ("fr-FR,fr;q=0.9", "", "en"),
        ("en;q=0.1, JA-jp;q=0.7", "", "ja"),
        ("en", "ja", "ja"),
        ("en", "xx", "en"),
        ("", "", "ja"),
        ("ja;q=nonsense", "", "en"),
    ],
)
def test_the_browsers_language(accept, asked, expected):
    assert chosen(accept, asked) == expected


@settings(max_examples=200)
@given(st.text(max_size=400))
def test_any_language_header_gives_a_language(accept):
    assert chosen(accept) in {"ja", "en"}


@settings(max_examples=200)
@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_comes_back_as_that_text(content, value):
    parser = Nesting()
    made = str(tag("p", content, title=value, class_="x"))
    parser.feed(made)
    parser.close()
    shown = "".join(parser.words)
    assert parser.open == []
    assert "<script" not in made.lower()
    lines = [text.replace("\r\n", "\n").replace("\r", "\n") for text in (shown, content)]
    assert lines[0] == lines[1] or "\x00" in content
