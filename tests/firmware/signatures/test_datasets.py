"""`dataset` in rules: lists beside the rule file, looked up by the engine, also through a pack; what is refused and why."""

import base64
import contextlib
import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips import RuleSet, Variables
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.rulefiles import read_rules
from omamori.firmware.signatures.suricata import datasets, parse_rules
from omamori.firmware.signatures.suricata.errors import RuleSyntaxError
from omamori.protocol.version import Version
from tests.firmware.engine.ips.conftest import flow

HASHES = f"{hashlib.md5(b'/bad.exe').hexdigest()}\n"  # noqa: S324 - the type's name
RULES = b"""
alert http any any -> any any (http.host; dataset:isset,hosts,type string,load hosts.lst; sid:1;)
alert http any any -> any any (http.host; dataset:isnotset,hosts; sid:2;)
alert http any any -> any any (http.uri; to_md5; dataset:isset,uris,type md5,load lists/uris.lst,memcap 10mb,hashsize 1024; sid:3;)
alert http any any -> any any (http.method; content:"GET"; http.host; dataset:isset,hosts; content:"bad"; startswith; sid:4;)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "lists").mkdir()
    names = ("bad.example", "worse.example")
    (tmp_path / "hosts.lst").write_text("".join(base64.b64encode(n.encode()).decode() + "\n" for n in names))
    (tmp_path / "lists" / "uris.lst").write_text(HASHES)
    (tmp_path / "a.rules").write_bytes(RULES)
    return tmp_path


def hits(rules, **buffers):
    named = {f"http.{name}": [value] for name, value in buffers.items()}
    asked = Inspection(
        Moment.TRANSACTION, 1.0, flow(), to_server=True, packet=None, buffers=named, transaction=1
    )
    return sorted(hit.sid for hit in rules.evaluate(asked))


def check(rules):
    assert hits(rules, host=b"bad.example", method=b"GET", uri=b"/") == [1, 4]
    assert hits(rules, host=b"worse.example", method=b"GET", uri=b"/") == [1]
    assert hits(rules, host=b"Bad.example", method=b"GET", uri=b"/bad.exe") == [2, 3]
    assert hits(rules, host=b"bad.example.", method=b"GET", uri=b"/bad.exe ") == [2]


def test_lists_are_looked_up(folder):
    parsed = read_rules([folder])
    assert parsed.refused == []
    check(RuleSet.build(parsed.rules, Variables(datasets=parsed.datasets)))


def test_a_pack_carries_them(folder, tmp_path):
    path = tmp_path / "a.pack"
    pack.build(
        path, Version.parse("1.0.0"), datetime(2026, 4, 1, tzinfo=UTC), pack.Content(read_rules([folder]))
    )
    check(pack.load(path).rules)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("isset,x,type string,load none.lst", "dataset: none.lst cannot be read"),
        ("isset,x,type md5,load hosts.lst", "dataset: hosts.lst, line 1: no md5"),
        ("isset,x,type sha256,load lists/uris.lst", "dataset: uris.lst, line 1: no sha256"),
        ("isset,x,type string,load ../secret", "is outside of the rules' folder"),
        ("isset,x,type string,load /etc/passwd", "is outside of the rules' folder"),
        ("isset,x", "no rule before it loads x"),
        ("set,x,type string", "data sets are not learned on a unit"),
        ("isset,x,type string,state x.lst", "data sets are not learned on a unit"),
        ("isset,x,type ipv4,load hosts.lst", "data sets of type ipv4 are not carried"),
        ("isset,x,type string,load hosts.lst,colour red", "not a word of it: 'colour'"),
        ("isset", "needs a name"),
    ],
)
def test_what_cannot_be_asked_is_refused(folder, option, reason):
    (folder / "a.rules").write_text(f"alert http any any -> any any (http.host; dataset:{option}; sid:1;)\n")
    parsed = read_rules([folder])
    assert parsed.rules == []
    assert reason in parsed.refused[0].reason.replace(f"{folder}/", "")
    assert parsed.refused[0].line == 1


def test_without_a_buffer_or_a_folder_it_is_refused():
    for rule, reason in (
        (b"alert http any any -> any any (dataset:isset,x,load y; sid:1;)", "needs a buffer"),
        (b"alert http any any -> any any (http.uri; dataset:isset,x,load y; sid:1;)", "is from no file"),
    ):
        assert reason in parse_rules(rule).refused[0].reason


@given(st.binary(max_size=200), st.sampled_from(sorted(datasets.SIZES)))
@settings(max_examples=60)
def test_any_list_is_read_or_refused(tmp_path_factory, content, kind):
    path = tmp_path_factory.mktemp("list") / "x"
    path.write_bytes(content)
    with contextlib.suppress(RuleSyntaxError):
        datasets.read(path, kind)
