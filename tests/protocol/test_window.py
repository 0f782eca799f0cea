"""Reboot windows as tables: weekdays, midnight, and the days on which clocks jump."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omamori.protocol import WindowError
from omamori.protocol.window import RebootWindow, is_open, next_opening

DAILY = (1, 2, 3, 4, 5, 6, 7)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "days", "start", "end", "now", "opens", "closes"),
    [
        # 2026-05-01 is a Friday.
        ("Asia/Tokyo", DAILY, "02:00", "05:00", "2026-05-01T01:59+09:00", "2026-05-01T02:00+09:00", "2026-05-01T05:00+09:00"),
        ("Asia/Tokyo", DAILY, "02:00", "05:00", "2026-05-01T02:00+09:00", "2026-05-01T02:00+09:00", "2026-05-01T05:00+09:00"),
        ("Asia/Tokyo", DAILY, "02:00", "05:00", "2026-05-01T05:00+09:00", "2026-05-02T02:00+09:00", "2026-05-02T05:00+09:00"),
        ("Asia/Tokyo", (7,), "02:00", "05:00", "2026-05-01T12:00+09:00", "2026-05-03T02:00+09:00", "2026-05-03T05:00+09:00"),
        ("Asia/Tokyo", (5,), "02:00", "05:00", "2026-05-01T06:00+09:00", "2026-05-08T02:00+09:00", "2026-05-08T05:00+09:00"),
        # Over midnight: belongs to the day it starts on.
        ("Asia/Tokyo", (5,), "23:30", "04:00", "2026-05-02T03:00+09:00", "2026-05-01T23:30+09:00", "2026-05-02T04:00+09:00"),
        ("Asia/Tokyo", (5,), "23:30", "04:00", "2026-05-01T03:00+09:00", "2026-05-01T23:30+09:00", "2026-05-02T04:00+09:00"),
        ("Asia/Tokyo", (5,), "23:30", "00:00", "2026-05-01T23:59+09:00", "2026-05-01T23:30+09:00", "2026-05-02T00:00+09:00"),
        # The same wall clock is another moment after the clocks changed (Berlin, 29 March 2026).
        ("Europe/Berlin", DAILY, "04:00", "05:00", "2026-03-28T12:00+01:00", "2026-03-29T04:00+02:00", "2026-03-29T05:00+02:00"),
        # Skipped hour 02:00-03:00: a start in it opens at the jump, an end in it closes at the jump.
        ("Europe/Berlin", DAILY, "02:30", "04:00", "2026-03-29T00:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"),
        ("Europe/Berlin", DAILY, "01:00", "02:30", "2026-03-29T00:00+01:00", "2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"),
        # A window skipped whole does not open; on Sundays only, that is a fortnight's wait, found from a Monday too.
        ("Europe/Berlin", DAILY, "02:10", "02:50", "2026-03-29T00:00+01:00", "2026-03-30T02:10+02:00", "2026-03-30T02:50+02:00"),
        ("Europe/Berlin", (7,), "02:10", "02:50", "2026-03-23T12:00+01:00", "2026-04-05T02:10+02:00", "2026-04-05T02:50+02:00"),
        # Repeated hour 02:00-03:00 on 25 October 2026: open once, never outside the chosen times.
        ("Europe/Berlin", DAILY, "02:30", "04:00", "2026-10-25T00:00+02:00", "2026-10-25T02:30+01:00", "2026-10-25T04:00+01:00"),
        ("Europe/Berlin", DAILY, "01:00", "02:30", "2026-10-25T00:00+02:00", "2026-10-25T01:00+02:00", "2026-10-25T02:30+02:00"),
        ("Europe/Berlin", DAILY, "02:10", "02:50", "2026-10-25T00:00+02:00", "2026-10-25T02:10+02:00", "2026-10-25T02:50+02:00"),
        # Half an hour only (Lord Howe Island, 4 October 2026, 02:00 -> 02:30).
        ("Australia/Lord_Howe", DAILY, "02:10", "03:00", "2026-10-04T00:00+10:30", "2026-10-04T02:30+11:00", "2026-10-04T03:00+11:00"),
        # A clock that was never set.
        ("Asia/Tokyo", DAILY, "02:00", "05:00", "1970-01-01T00:00+00:00", "1970-01-02T02:00+09:00", "1970-01-02T05:00+09:00"),
    ],
)  # fmt: skip
def test_openings(
    zone: str, days: tuple[int, ...], start: str, end: str, now: str, opens: str, closes: str
) -> None:
    assert next_opening(RebootWindow(zone, days, start, end), at(now)) == (at(opens), at(closes))


@settings(max_examples=150)
@given(
    st.sampled_from(
        ["Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
    ),
    st.sets(st.integers(1, 7), min_size=1),
    st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda pair: pair[0] != pair[1]),
    st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - given
)
def test_an_opening_is_ahead_and_keeps_to_the_chosen_days_and_times(
    name: str, days: set[int], minutes: tuple[int, int], now: datetime
) -> None:
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes)
    window = RebootWindow(name, tuple(days), start, end)
    opens, closes = next_opening(window, now)
    assert now < closes
    assert opens < closes <= opens + timedelta(hours=25)
    assert is_open(window, now) == (opens <= now)
    shown = opens.astimezone(ZoneInfo(name))
    assert shown.isoweekday() in days
    inside = shown.strftime("%H:%M")
    assert start <= inside < end if start < end else inside >= start


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (("Asia/Tokyo", (), "02:00", "05:00"), "needs weekdays"),
        (("Asia/Tokyo", (0,), "02:00", "05:00"), "needs weekdays"),
        (("Asia/Tokyo", (8,), "02:00", "05:00"), "needs weekdays"),
        (("Asia/Tokyo", (1,), "02:00", "02:00"), "has no length"),
        (("Asia/Tokyo", (1,), "24:00", "02:00"), "not a time of day"),
        (("Asia/Tokyo", (1,), "2:00", "03:00"), "not a time of day"),
        (("Asia/Tokyo", (1,), "02:00\n", "03:00"), "not a time of day"),
        (("Asia/Tokyo", (1,), "０２:00", "03:00"), "not a time of day"),
        (("Mars/Base", (1,), "02:00", "03:00"), "not an IANA time zone"),
        (("../../etc/passwd", (1,), "02:00", "03:00"), "not an IANA time zone"),
        (("", (1,), "02:00", "03:00"), "not an IANA time zone"),
        (("Asia\0", (1,), "02:00", "03:00"), "not an IANA time zone"),
        (("A" * 5000, (1,), "02:00", "03:00"), "not an IANA time zone"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    fields: tuple[str, tuple[int, ...], str, str], complaint: str
) -> None:
    with pytest.raises(WindowError, match=complaint):
        RebootWindow(*fields)
