"""`threshold.config` around a rule set: who is told how often, and what comes too often."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.engine.inspection import Inspection, Moment
from omamori.firmware.engine.ips import RuleSet, Variables
from omamori.firmware.signatures.suricata import parse_rule
from omamori.firmware.signatures.tuning import Tuned, TuningError, parse_tuning
from tests.firmware.engine.ips.conftest import flow

ALERT = 'alert http any any -> any any (http.uri; content:"ab"; sid:7;)'


class Asked:
    """One tuned rule; each `ask` is another request of one host, a second later."""

    def __init__(self, config: str, rule: str = ALERT) -> None:
        parsed = parse_rule(rule)
        own = frozenset((parsed.sid,)) if parsed.threshold else frozenset()
        variables = Variables()
        self.rules = Tuned(RuleSet.build([parsed], variables), parse_tuning(config), variables, own)
        self.now, self._number = 1000.0, 0

    def ask(self, client: str = "192.168.1.5", *, wait: float = 1.0) -> str:
        """What comes of it: the action, `silent` before it where nothing is told; empty for nothing."""
        self._number += 1
        inspection = Inspection(
            Moment.TRANSACTION,
            self.now,
            flow(client=client),
            to_server=True,
            packet=None,
            buffers={"http.uri": [b"ab"]},
            transaction=self._number,
        )
        self.now += wait
        return " ".join(
            ("" if hit.told else "silent ") + hit.action for hit in self.rules.evaluate(inspection)
        )


@pytest.mark.parametrize(
    ("config", "client", "told"),
    [
        ("suppress gen_id 1, sig_id 7", "192.168.1.5", ""),
        ("suppress gen_id 1, sig_id 8", "192.168.1.5", "alert"),
        ("suppress gen_id 1, sig_id 0", "192.168.1.5", ""),
        ("suppress gen_id 0, sig_id 0 # all of them", "192.168.1.5", ""),
        ("suppress gen_id 1, sig_id 7, track by_src, ip 192.168.1.5", "192.168.1.5", ""),
        ("suppress gen_id 1, sig_id 7, track by_src, ip 192.168.1.5", "192.168.1.6", "alert"),
        ("suppress gen_id 1, sig_id 7, track by_dst, ip 203.0.113.0/24", "192.168.1.6", ""),
        ("suppress gen_id 1, sig_id 7, track by_either, ip [10.0.0.1,$HOME_NET]", "192.168.1.6", ""),
        ("suppress gen_id 1, sig_id 7, track by_either, ip ![$HOME_NET,203.0.113.9]", "192.168.1.6", "alert"),
    ],
)
def test_suppressed_for_some(config, client, told):
    assert Asked(config).ask(client) == told


def test_a_suppressed_drop_still_drops():
    assert Asked("suppress gen_id 1, sig_id 7", ALERT.replace("alert", "drop", 1)).ask() == "silent drop"


def test_an_event_filter_is_a_threshold_that_yields_to_the_rules_own():
    config = "event_filter gen_id 1, sig_id 7, type limit, track by_src, count 1, seconds 60"
    asked = Asked(config)
    assert [asked.ask() for _ in range(3)] == ["alert", "silent alert", "silent alert"]
    assert asked.ask("192.168.1.6") == "alert"
    own = Asked(config, ALERT.replace("sid", "threshold: type limit, track by_src, count 2, seconds 60; sid"))
    assert [own.ask() for _ in range(3)] == ["alert", "alert", "silent alert"]


@pytest.mark.parametrize("action", ["drop", "pass", "reject"])
def test_a_rate_changes_the_action_for_a_while(action):
    asked = Asked(
        f"rate_filter gen_id 1, sig_id 7, track by_rule, \\\n count 2, seconds 10, new_action {action}, timeout 5"
    )
    assert [asked.ask() for _ in range(5)] == ["alert", "alert", action, action, action]
    asked.now += 10
    assert asked.ask() == "alert"


def test_a_rate_ends_where_the_clock_is_set_back():
    asked = Asked(
        "rate_filter gen_id 1, sig_id 7, track by_rule, count 2, seconds 10, new_action drop, timeout 5"
    )
    asked.now = 1.9e9
    assert [asked.ask() for _ in range(3)] == ["alert", "alert", "drop"]
    asked.now = 1.7e9
    assert [asked.ask() for _ in range(4)] == ["alert", "alert", "alert", "drop"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("suppress gen_id 1", "line 1: 'sig_id' is missing"),
        ("\n\nblock gen_id 1, sig_id 2", "line 3: block is missing or wrong"),
        ("suppress gen_id 1, sig_id 2, track by_src, ip nowhere", "line 1: not an address"),
        ("suppress gen_id 1, sig_id 2, track by_moon, ip 1.1.1.1", "line 1: track by_moon"),
        ("event_filter gen_id 1, sig_id 2, type never, track by_src, count 1, seconds 1", "line 1: 'never'"),
        (
            "rate_filter gen_id 1, sig_id 2, track by_src, count 1, seconds 1, new_action hug, timeout 1",
            "'hug'",
        ),
    ],
)
def test_a_wrong_line_is_told(config, reason):
    with pytest.raises(TuningError, match=reason.replace("'", ".")):
        parse_tuning(config)


@settings(max_examples=200)
@given(st.text(alphabet="suprevntfil_ gxd0123456789,[]!.$#\n\\", max_size=80))
def test_any_text_is_tuning_or_refused(text):
    try:
        parse_tuning(text)
    except TuningError as error:
        assert str(error).startswith("line ")  # noqa: PT017 - either outcome is right
