"""The words of a message: subject and text in the reader's language, times in the site's zone. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from omamori.fleet.notices.news import News, What
from omamori.protocol.codes import Text

SHOWN: Final = 20
"""Hosts of one kind that are named; the page has them all."""
_HEADINGS: Final = {
    What.WRONG_SIDE: Text(
        "Not protected: on the router's side of the unit", "保護されていない機器（ルーター側に接続）"
    ),
    What.NEW: Text("New in your network", "新しく見つかった機器"),
    What.VANISHED: Text("Not seen for a week", "1週間以上見つからない機器"),
    What.SUPPORT: Text("Support looked at the unit", "サポート担当者による本体の確認"),
}
_ADVICE: Final = {
    What.WRONG_SIDE: Text(
        "Plug it in behind the unit, or use the Wi-Fi behind it.",
        "本体の先のハブまたはWi-Fiにつなぎ直してください。",
    ),
    What.NEW: Text(
        "If you do not know it, ask whose it is, and change the Wi-Fi password if nobody knows.",
        "心当たりがない場合は持ち主を確認し、不明ならWi-Fiのパスワードを変更してください。",
    ),
    What.VANISHED: Text(
        "If it was given away, take it off the list of devices; if it was lost, tell your administrator.",
        "廃棄した場合は一覧から外してください。紛失の場合は管理者にご連絡ください。",
    ),
    What.SUPPORT: Text(
        "Who may look, when and why is on the unit's Support page; you can refuse it there.",
        "いつ誰が何のために確認したかは、本体の「サポート」画面にあります。お断りになることもできます。",
    ),
}
_COUNTED: Final = {
    What.WRONG_SIDE: Text("{} not protected", "未保護{}台"),
    What.NEW: Text("{} new", "新規{}台"),
    What.VANISHED: Text("{} not seen", "未確認{}台"),
    What.SUPPORT: Text("support {}", "サポート{}件"),
}
_NAMELESS: Final = Text("a device without a name", "名前のない機器")
_MORE: Final = Text("and {} more", "ほか{}台")
_SUBJECT: Final = Text("Omamori {site}: {counted}", "【Omamori】{site}: {counted}")
_INTRO: Final = Text(
    "This was noticed in the network of {site} ({customer}):",
    "{customer} {site} のネットワークで次のことが分かりました。",
)
_PAGE: Final = Text("All devices and their protection:", "すべての機器と保護の状況:")
_STOP: Final = Text(
    "At most one message a day. To stop these messages:", "お知らせは1日1通までです。配信を停止するには:"
)
_TIMES: Final = Text("Times are those of {zone}.", "時刻は{zone}のものです。")


@dataclass(frozen=True, slots=True)
class Place:
    """The site as its letters name it."""

    site: str
    customer: str
    zone: tzinfo
    page: str
    """Address of the coverage page."""


def subject(news: Sequence[News], place: Place, language: str) -> str:
    """One line, at most 200 characters."""
    counts = {what: sum(each.what is what for each in news) for what in What}
    parts = [_COUNTED[what].of(language).format(count) for what, count in counts.items() if count]
    comma = "、" if language == "ja" else ", "
    line = _SUBJECT.of(language).format(site=_line(place.site), counted=comma.join(parts))
    return line[:200]


def text(news: Sequence[News], place: Place, language: str, *, stop: str) -> str:
    """Plain text; `stop` is the address that ends these messages."""
    names = {"site": _line(place.site), "customer": _line(place.customer)}
    lines = [_INTRO.of(language).format(**names), ""]
    for what in What:
        if found := [each for each in news if each.what is what]:
            lines += [f"■ {_HEADINGS[what].of(language)} ({len(found)})", *_hosts(found, place, language)]
            lines += [f"→ {_ADVICE[what].of(language)}", ""]
    lines += [_PAGE.of(language), place.page, "", _TIMES.of(language).format(zone=place.zone), ""]
    return "\n".join([*lines, _STOP.of(language), stop, ""])


def _hosts(found: Sequence[News], place: Place, language: str) -> list[str]:
    lines = [f"・{_host(each, place, language)}" for each in found[:SHOWN]]
    left = len(found) - SHOWN
    return [*lines, _MORE.of(language).format(left)] if left > 0 else lines


def _host(news: News, place: Place, language: str) -> str:
    if news.what is What.SUPPORT:
        times = f"{_moment(news.since, place)} – {_moment(news.until, place)}"
        return _line(f"{news.unit} {times} {news.name}: {news.why}")
    told = ", ".join(filter(None, (news.kind, news.vendor, news.mac)))
    when = f" {_moment(news.since, place)}" if news.since else ""
    return _line(f"{news.name or _NAMELESS.of(language)} ({told}){when}")


def _moment(text: str, place: Place) -> str:
    return f"{datetime.fromisoformat(text).astimezone(place.zone):%Y-%m-%d %H:%M}"


def _line(words: str) -> str:
    """Whatever a device calls itself, it stays on its line."""
    return "".join(letter if letter.isprintable() else " " for letter in words)
