"""Reputation lists and `iprep`: from text to a rule that matches, also through a pack."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips import RuleSet, Variables
from omamori.firmware.engine.ips.reputation import Reputation
from omamori.firmware.signatures import pack
from omamori.firmware.signatures.cli import group
from omamori.firmware.signatures.reputation import (
    ReputationError,
    read_categories,
    read_numbered,
    read_scores,
)
from omamori.firmware.signatures.suricata import RuleError, parse_rule, parse_rules
from omamori.protocol.version import Version
from tests.firmware.engine.ips.conftest import flow

LIST = "# scores\n203.0.113.0/24,20\n203.0.113.9,90\n192.168.1.5,10\n2001:db8::/32,50\n"


def hits(rules, **facts) -> list[int]:
    about = flow(protocol="udp", application="", **facts)
    inspection = Inspection(
        Moment.PACKET, 1.0, about, to_server=True, packet=None, buffers={"payload": [b"x"]}
    )
    return [hit.sid for hit in rules.evaluate(inspection)]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("dst,bad,>,80", True),
        ("dst,bad,=,90", True),
        ("dst,bad,<,80", False),
        ("src,bad,>,9", True),
        ("src,bad,>,10", False),
        ("any,bad,>,80", True),
        ("both,bad,>,80", False),
        ("both,bad,>=,10", True),
        ("dst,good,>,0", False),
    ],
)
def test_iprep(option, expected):
    variables = Variables(reputation=Reputation({"bad": read_scores(LIST)}))
    rules = RuleSet.build([parse_rule(f"alert ip any any -> any any (iprep:{option}; sid:1;)")], variables)
    assert hits(rules) == ([1] if expected else [])


def test_the_narrowest_network_counts():
    known = Reputation({"bad": read_scores(LIST)})
    assert known.score("bad", bytes((203, 0, 113, 9))) == 90
    assert known.score("bad", bytes((203, 0, 113, 10))) == 20
    assert known.score("bad", bytes((203, 0, 114, 10))) is None
    assert known.score("bad", bytes.fromhex("20010db8" + "00" * 12)) == 50


def test_suricatas_two_files():
    categories = read_categories("1,BadHosts,Known bad hosts\n2,CnC,Control servers\n")
    assert categories == {1: "BadHosts", 2: "CnC"}
    found = read_numbered(["203.0.113.9,2,90\n", "10.0.0.0/8,1,5\n"], categories)
    assert {name: len(entries) for name, entries in found.items()} == {"BadHosts": 1, "CnC": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [("nowhere,5", "line 1"), ("\n1.2.3.4,128", "line 2: a score is 1 to 127"), ("1.2.3.4,many", "line 1")],
)
def test_a_wrong_line_is_told(text, reason):
    with pytest.raises(ReputationError, match=reason):
        read_scores(text)


@pytest.mark.parametrize("option", ["src,bad", "up,bad,>,1", "src,bad,!=,1", "src,bad,>,x"])
def test_a_wrong_option_is_told(option):
    with pytest.raises(RuleError):
        parse_rule(f"alert ip any any -> any any (iprep:{option}; sid:1;)")


def test_a_pack_carries_the_lists(tmp_path):
    path = tmp_path / "a.pack"
    rules = parse_rules(b"alert ip any any -> any any (iprep:dst,bad,>,80; sid:1;)\n")
    content = pack.Content(rules=rules, reputation={"bad": read_scores(LIST)})
    pack.build(path, Version.parse("1.0.0"), datetime(2026, 11, 1, tzinfo=UTC), content)
    loaded = pack.load(path).rules
    assert hits(loaded) == [1]
    assert hits(loaded, server="203.0.113.8") == []


def test_the_command_line_takes_lists(tmp_path):
    (tmp_path / "bad.txt").write_text(LIST)
    (tmp_path / "a.rules").write_text("alert ip any any -> any any (iprep:dst,bad,>,80; sid:1;)\n")
    words = f"pack build --version 1.0.0 --rules {tmp_path}/a.rules --no-eicar -o {tmp_path}/a.pack".split()
    good = CliRunner().invoke(group, [*words, "--reputation", f"bad={tmp_path}/bad.txt"])
    assert good.exit_code == 0, good.output
    assert "bad: 4 networks with a score" in good.output
    bad = CliRunner().invoke(group, [*words, "--reputation", "bad"])
    assert bad.exit_code == 1
    assert "CATEGORY=FILE" in bad.output


@settings(max_examples=200)
@given(st.text(alphabet="0123456789./,:#abcdef\n", max_size=60))
def test_any_text_is_a_list_or_refused(text):
    try:
        Reputation({"x": read_scores(text)})
    except ReputationError as error:
        assert str(error).startswith("line ")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("number", ["²", "9" * 5_000, "x", ""])
def test_a_category_needs_a_number(number):
    with pytest.raises(ReputationError, match="line 1"):
        read_categories(f"{number},Bad")
    with pytest.raises(ReputationError, match="line 1"):
        read_numbered([f"1.2.3.4,{number},90"], {1: "Bad"})
