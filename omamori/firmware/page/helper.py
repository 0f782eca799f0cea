"""The part of the first page that is there only while somebody from outside may look at the unit. Pure."""

from datetime import datetime, timedelta, timezone
from typing import Final

from omamori.firmware.host.notice import Notice
from omamori.firmware.page.markup import Html, tag
from omamori.firmware.page.words import Words

_JAPAN: Final = timezone(timedelta(hours=9))
"""Where our customers are; it has no summer time, and the unit needs no list of zones for it."""


def helper_section(helper: Notice | None, words: Words) -> Html | None:
    """Who, until when, what for, what that person can do, and how to end it."""
    if helper is None:
        return None
    facts = (
        (words["helper-who"], tag("bdi", helper.who)),
        (words["helper-why"], tag("bdi", helper.why)),
        (words["helper-until"], tag("b", _moment(helper.until), " ", words["helper-zone"])),
    )
    return tag(
        "section",
        tag("h2", words["helper-title"]),
        tag("ul", *(tag("li", f"{name}: ", value) for name, value in facts)),
        tag("p", words["helper-can"]),
        tag("p", words["helper-end"], class_="note"),
        class_="plain",
    )


def _moment(until: datetime) -> str:
    try:
        return until.astimezone(_JAPAN).strftime("%Y-%m-%d %H:%M")
    except OverflowError:  # no unit's key is so long, but a page never fails
        return until.isoformat()
