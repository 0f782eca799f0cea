"""The page while a helper may look at the unit: who, until when and how to end it, in both languages, whatever the words are."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.firmware.host import notice
from omamori.firmware.host.notice import Notice
from omamori.firmware.page.helper import helper_section
from omamori.firmware.page.words import WORDS
from tests.firmware.page.test_diagnosis import get, words

UNTIL = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)


def opened(unit, who="佐藤（ヘルプデスク）", why="月曜日から遅い", *, seconds=3600.0, until=UNTIL):
    ends = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    notice.write(unit.paths.support_notice, Notice(who, why, until, ends))


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            ("somebody may look at this unit", "2026-11-22 01:30", "Japan time", "End it now", "power plug"),
        ),
        (
            "ja",
            ("担当者が本体を確認できます", "2026-11-22 01:30", "日本時間", "今すぐ終了する", "電源プラグ"),
        ),
    ],
)
def test_it_says_who_until_when_and_how_to_end_it(unit, page, language, expected):
    assert expected[0] not in words(get(page, Accept_Language=language)[1])
    opened(unit)
    told = words(get(page, Accept_Language=language)[1])
    assert all(text in told for text in (*expected, "佐藤（ヘルプデスク）", "月曜日から遅い")), told


def test_it_is_silent_once_the_visit_is_over(unit, page):
    opened(unit)
    assert "佐藤" in get(page)[1]
    opened(unit, seconds=-1)
    assert "佐藤" not in get(page)[1]
    opened(unit)
    unit.paths.support_notice.unlink()
    assert "佐藤" not in get(page)[1]


def test_a_helpers_words_are_never_markup(unit, page):
    opened(unit, who="<script>alert(1)</script>", why="'><a href=http://x.example>&amp;")
    document = get(page)[1]
    told = words(document)
    assert "<script" not in document
    assert "<a href=http" not in document
    assert "<script>alert(1)</script>" in told
    assert "'><a href=http://x.example>&amp;" in told


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"who": 1}', b"\xff" * 100, b'{"who": "' + b"a" * 9000 + b'"}'],
)
def test_what_is_no_notice_is_not_shown_and_breaks_nothing(unit, page, content):
    opened(unit)
    unit.paths.support_notice.write_bytes(content)
    response, document = get(page, Accept_Language="en")
    assert response.status == 200
    assert "somebody may look" not in words(document)


def test_a_page_with_the_longest_words_is_small(unit, page):
    opened(unit, who="＜" * 80, why="&" * 200)
    assert len(get(page)[1].encode()) < 100_000


FIELDS = st.fixed_dictionaries(
    {
        "who": st.text(max_size=40) | st.integers(),
        "why": st.text(max_size=40) | st.none(),
        "until": st.sampled_from(
            ["2026-11-21T16:30:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "soon"]
        ),
        "ends": st.sampled_from([1e18, 1e308, -1.0, 0, "1"]) | st.floats(),
    }
)


@settings(max_examples=150)
@given(st.binary(max_size=200) | FIELDS.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_visit_or_none(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any-notice.json"
    path.write_bytes(content)
    found = notice.read(path)
    for language in WORDS.values():
        section = helper_section(found, language)
        assert (section is None) == (found is None)


def test_until_is_told_even_where_no_calendar_has_it(unit, page):
    opened(unit, until=datetime.max.replace(tzinfo=UTC) - timedelta(hours=1))
    response, document = get(page)
    assert response.status == 200
    assert "9999-12-31" in document
