"""The support document: what it may say, and whatever else arrives is refused without harm."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.protocol import support
from omamori.protocol.errors import WireError
from omamori.protocol.ids import unit_id

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
GOOD = support.SupportKey(unit_id("om-0001"), KEY, NOW, NOW + timedelta(hours=4), "佐藤", "通信が遅い")


def test_it_is_read_as_it_was_written():
    assert support.decode(support.encode(GOOD)) == GOOD


@pytest.mark.parametrize(
    "change",
    [
        {"until": "2026-11-22T09:00:01Z"},
        {"until": "2026-11-21T09:00:00Z"},
        {"until": "2026-11-21T09:00:00"},
        {"since": "9999-12-31T23:59:59-23:59"},
        {"unit": "../etc"},
        {"key": KEY + " comment"},
        {"key": "command=x " + KEY},
        {"key": KEY + "\n" + KEY},
        {"key": KEY.replace("C3Nz", "C4Nz")},
        {"who": ""},
        {"who": "a" * 81},
        {"why": "a\nb"},
        {"why": None},
    ],
)
def test_what_says_too_much_or_too_little_is_refused(change):
    value = json.loads(support.encode(GOOD)) | change
    with pytest.raises(WireError):
        support.decode(json.dumps(value).encode())


def test_an_oversized_one_is_refused_before_it_is_parsed():
    with pytest.raises(WireError):
        support.decode(support.encode(GOOD) + b" " * support.DOCUMENT_CAP)


@pytest.mark.parametrize(
    ("unit", "at", "said"),
    [
        ("om-0001", timedelta(0), ""),
        ("om-0001", timedelta(hours=4) - timedelta(seconds=1), ""),
        ("om-0001", timedelta(hours=4), "over"),
        ("om-0001", -timedelta(seconds=1), "not before"),
        ("om-0002", timedelta(0), "another unit"),
    ],
)
def test_it_opens_one_unit_within_its_time(unit, at, said):
    fault = support.fault(GOOD, unit_id(unit), NOW + at)
    assert said in fault if said else not fault


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["om-0001", KEY]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(json.loads(support.encode(GOOD)), JSON))


@settings(max_examples=300)
@given(st.binary(max_size=300) | FIELDS.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_document_or_refused(raw):
    try:
        document = support.decode(raw)
    except WireError:
        return
    assert support.decode(support.encode(document)) == document


@settings(max_examples=200)
@given(st.sampled_from(sorted(json.loads(support.encode(GOOD)))), JSON)
def test_one_field_of_anything_is_still_bounded(name, value):
    try:
        document = support.decode(json.dumps(json.loads(support.encode(GOOD)) | {name: value}).encode())
    except WireError:
        return
    assert timedelta(0) < document.until - document.since <= support.LONGEST
    assert len(support.encode(document)) <= support.DOCUMENT_CAP
