"""Policies in their one spelling, and small enough for one message whatever is in them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.protocol import PolicyError, policy
from omamori.protocol.fetching import LONGEST_MIRROR, MOST_RATE, Fetching
from omamori.protocol.ids import mac
from omamori.protocol.messages import MAX_APART, SupportCall, Want, decode, encode
from omamori.protocol.policy import Change, Exemption, Policy
from omamori.protocol.version import Version
from omamori.protocol.window import RebootWindow


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("2010001", "1:2010001"),
        ("3:19187", "3:19187"),
        (" wg:bad.example ", "wg:bad.example"),
    ],
)
def test_rules_have_one_spelling(given_text, kept):
    assert policy.rule(given_text) == kept


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7/24", "198.51.100.0/24"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("*.Shop.Example.", "shop.example"),
        ("\u4f8b.example", "xn--fsq.example"),
    ],
)
def test_destinations_have_one_spelling(given_text, kept):
    assert policy.destination(given_text) == kept


@pytest.mark.parametrize(
    "text", ["", "0.0.0.0/0", "::/0", "300.1.2.3", "10.0.0.0/99", "a b", "localhost", "x" * 300 + ".example"]
)
def test_what_is_no_destination_is_refused(text):
    with pytest.raises(PolicyError):
        policy.destination(text)


@pytest.mark.parametrize(
    ("subject", "response"),
    [
        ("ips", "neutralise"),
        ("uf", "block"),
        ("apg", "block"),
        ("1:5", "drop"),
        ("nonsense", "log"),
        ("", "log"),
    ],
)
def test_what_no_guard_can_do_is_refused(subject, response):
    with pytest.raises(PolicyError):
        policy.change(subject, response)


@pytest.mark.parametrize(
    ("subject", "response", "kept"),
    [
        ("AV", "neutralise", "av"),
        ("av:Win.Test-1", "neutralise", "av:Win.Test-1"),
        ("2010001", "block", "1:2010001"),
        ("wg:bad.example", "log", "wg:bad.example"),
    ],
)
def test_what_guards_can_do(subject, response, kept):
    assert policy.change(subject, response) == Change(kept, response)


def test_all_that_can_be_wanted_at_once_fits_one_message():
    until = datetime(2026, 12, 31, 23, 59, 59, 999999, UTC)
    longest = Exemption(2**63 - 1, until, mac("aa:bb:cc:dd:ee:ff"), "guard" * 4 + ":" + "x" * 80, "d" * 253)
    full = Policy(
        (longest,) * policy.MAX_EXEMPTIONS,
        ("c" * 40,) * policy.MAX_CATEGORIES,
        (Change("guard" * 4 + ":" + "x" * 80, "neutralise"),) * policy.MAX_CHANGES,
        policy.MAX_TRIAL_DAYS,
    )
    pair = (mac("aa:bb:cc:dd:ee:ff"), mac("aa:bb:cc:dd:ee:fe"))
    version = Version(999_999, 999_999, 999_999)
    want = Want(
        2**62,
        version,
        version,
        RebootWindow("America/Argentina/ComodRivadavia", tuple(range(1, 8)), "02:00", "05:00"),
        policy=full,
        apart=(pair,) * MAX_APART,
        postponed_until=until,
        deadline=until,
        support=SupportCall("c" * 16, "h" * 253, 65535, "t" * 64),
        fetching=Fetching(MOST_RATE, "m" * LONGEST_MIRROR),
    )
    assert decode(Want, encode(want)) == want


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_any_text_is_taken_in_one_spelling_or_refused(text):
    for parse in (policy.rule, policy.destination, policy.category):
        try:
            kept = parse(text)
        except PolicyError:
            continue
        assert parse(kept) == kept
        assert kept.isascii()
