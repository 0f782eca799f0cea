"""Ids, versions and topics: their grammars, their order, and what they refuse."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.protocol import IdError, Malformed, ProtocolError, VersionError, ids, topics
from omamori.protocol.version import Version

ORDER = [
    "0.0.0",
    "0.0.1",
    "0.9.0",
    "0.10.0",
    "1.0.0-rc.0",
    "1.0.0-rc.2",
    "1.0.0-rc.10",
    "1.0.0",
    "1.0.1-rc.1",
    "2.0.0",
]


def test_versions_are_ordered_by_number_and_a_candidate_comes_before_its_release() -> None:
    versions = [Version.parse(text) for text in ORDER]
    assert sorted(set(versions)) == versions
    assert [str(version) for version in versions] == ORDER
    assert all(older < newer for older, newer in pairwise(versions))
    assert len({*versions, *versions}) == len(ORDER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "v1.2.3",
        "01.2.3",
        "1.2.3-rc",
        "1.2.3-rc.01",
        "1.2.3-beta.1",
        "1.2.3\n",
        "1.٢.3",
        "-1.2.3",
    ],
)
def test_other_spellings_are_no_version(text: str) -> None:
    with pytest.raises(VersionError):
        Version.parse(text)


def test_a_version_compares_with_versions_only() -> None:
    with pytest.raises(TypeError):
        assert Version(1, 0, 0) < "1.0.1"
    assert Version(1, 0, 0) != "1.0.0"


@pytest.mark.parametrize("text", ["abcd", "om-0001-osaka", "0" * 40])
def test_unit_ids(text: str) -> None:
    assert ids.unit_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "-abcd",
        "abcd-",
        "a" * 41,
        "Abcd",
        "ab.cd",
        "ab/cd",
        "ab+d",
        "ab#d",
        "$SYS",
        "abcd\n",
        "ab cd",
        "ａbcd",
    ],
)
def test_what_would_break_a_topic_or_a_file_name_is_no_unit_id(text: str) -> None:
    with pytest.raises(IdError, match="not a unit id"):
        ids.unit_id(text)


def test_ids_take_the_spellings_the_world_uses() -> None:
    assert ids.boot_id("01234567-89AB-cdef-0123-456789abcdef\n") == "0123456789abcdef0123456789abcdef"
    assert ids.mac("52-54-00-AB-CD-EF") == "52:54:00:ab:cd:ef"
    assert ids.detection_id("1586334621-1652") == "1586334621-1652"
    for parse, wrong in (
        (ids.boot_id, "xyz"),
        (ids.mac, "52:54:00"),
        (ids.detection_id, "1-"),
        (ids.detection_id, "٣-1"),
    ):
        with pytest.raises(IdError):
            parse(wrong)


def test_topics_come_back_as_they_were() -> None:
    unit = ids.unit_id("om-0001")
    for channel in topics.Up:
        assert topics.parse_up(topics.up(unit, channel)) == topics.UpTopic(unit, channel)
    assert topics.down(unit, topics.Down.CALL) == f"omamori/v1/{ids.bucket(unit)}/om-0001/down/call"
    assert topics.all_up() == "omamori/v1/+/+/up/+"
    assert topics.all_up(bucket_digits="0f") == "omamori/v1/0f/+/up/+"


def test_a_unit_has_one_bucket_for_ever() -> None:
    assert ids.bucket(ids.unit_id("om-0001")) == "bd"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "omamori/v1",
        "omamori/v2/bd/om-0001/up/state",
        "omamori/v1/bd/om-0001/up/other",
        "omamori/v1/bd/om-0001/down/want",
        "omamori/v1/bd/om-0001/up/state/more",
        "omamori/v1/00/om-0001/up/state",
        "omamori/v1/bd/OM/up/state",
        "/omamori/v1/bd/om-0001/up/state",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises((Malformed, IdError)):
        topics.parse_up(topic)


@settings(max_examples=200)
@given(st.text(max_size=60) | st.lists(st.text(max_size=8), max_size=8).map("/".join))
def test_any_text_as_a_topic_is_answered(topic: str) -> None:
    with pytest.raises(ProtocolError):
        topics.parse_up(topic)
