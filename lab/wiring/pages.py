"""The guides that come from the one table of codes: a page for the help desk and one for the customer, each in both languages."""

from typing import Final

from lab.wiring import pictures
from omamori.protocol.codes import CODES, Entry, Lamp
from omamori.protocol.vocabulary import WiringCode

PAGES: Final = {
    "docs/guides/wiring.md": ("customer", "en"),
    "docs/guides/wiring.ja.md": ("customer", "ja"),
    "docs/guides/help-desk.md": ("desk", "en"),
    "docs/guides/help-desk.ja.md": ("desk", "ja"),
}
"""Below the project's root."""

_WORDS: Final = {
    "en": {
        "customer": "Is my unit plugged in right?",
        "customer intro": "Look at the lamp or at the code on the unit's page, and follow the steps beside it. Every message disappears by itself when the "
        "cables are right.",
        "desk": "Wiring codes for the help desk",
        "desk intro": "Several codes at once: begin with the first, it is the root cause. Evidence and certainty stand below the code in the portal and on "
        "the unit's page.",
        "picture": "How it should be: internet line - router - **WAN** unit **LAN** - hub or access point - your devices.",
        "page": "[The unit's own page](unit-page.md) (http://omamori.local, behind the unit) shows the same to whoever stands in front of it:",
        "columns": "| lamp | code | meaning |",
        "lamp": "Lamp",
        "steps": "What the customer does",
        "check": "What to ask and check",
        "clears": "It disappears when",
        "steady": "lit steadily",
        "long": "long",
        "short": "short",
        "made": "Made from the table of codes by `./inv docs`.",
    },
    "ja": {
        "customer": "正しくつながっていますか？",
        "customer intro": "ランプの点滅または本体の画面のコードを見て、手順に従ってください。正しくつながると表示は自動的に消えます。",
        "desk": "配線コード一覧（ヘルプデスク用）",
        "desk intro": "複数のコードが出ているときは先頭から対応します（先頭が根本原因）。根拠と確からしさは、ポータルと本体の画面でコードの下に表示されます。",
        "picture": "正しいつなぎ方: インターネット回線 - ルーター - **WAN** 本体 **LAN** - ハブやアクセスポイント - 社内の端末",
        "page": "[本体の画面](unit-page.ja.md)（本体の先で http://omamori.local）でも同じ内容を表示します。",
        "columns": "| ランプ | コード | 意味 |",
        "lamp": "ランプ",
        "steps": "お客様の作業",
        "check": "確認すること",
        "clears": "表示が消える条件",
        "steady": "点灯",
        "long": "長",
        "short": "短",
        "made": "コード表から`./inv docs`で作成。",
    },
}


def page(name: str) -> str:
    """The Markdown of one of PAGES."""
    reader, language = PAGES[name]
    words = _WORDS[language]
    head = [
        f"# {words[reader]}",
        words[f"{reader} intro"],
        words["picture"],
        "![](../wiring.svg)",
        words["page"],
    ]
    head.append(f"![](screenshots/page-bypass-{language}-360.png)")
    table = [words["columns"], "| --- | --- | --- |", *(_row(entry, language) for entry in CODES.values())]
    section = _customer if reader == "customer" else _desk
    parts = [section(entry, language) for entry in CODES.values() if entry.code is not WiringCode.OK]
    return "\n\n".join([*head, "\n".join(table), *parts, f"<sub>{words['made']}</sub>"]) + "\n"


def lamp(pattern: Lamp, language: str) -> str:
    """A lamp's pattern in words."""
    words = _WORDS[language]
    blinks = [f"{count} {words[kind]}" for kind, count in (("long", pattern.long), ("short", pattern.short))]
    return ", ".join(blinks) if pattern.long or pattern.short else words["steady"]


def _row(entry: Entry, language: str) -> str:
    return f"| {lamp(entry.lamp, language)} | `{entry.code}` | {entry.name.of(language)} |"


def _customer(entry: Entry, language: str) -> str:
    title = f"## {entry.name.of(language)} (`{entry.code}`)"
    return "\n\n".join(
        [title, entry.meaning.of(language), _picture(entry, language), _steps(entry, language)]
    )


def _desk(entry: Entry, language: str) -> str:
    words = _WORDS[language]
    blocks = [
        f"## `{entry.code}`: {entry.name.of(language)}",
        f"{words['lamp']}: {lamp(entry.lamp, language)}. {entry.meaning.of(language)}",
        _picture(entry, language),
        f"**{words['check']}.** {entry.desk.of(language)}",
        f"**{words['steps']}**",
        _steps(entry, language),
        f"**{words['clears']}:** {entry.clears.of(language)}",
    ]
    return "\n\n".join(blocks)


def _picture(entry: Entry, language: str) -> str:
    return f"![{entry.name.of(language)}](wiring/{pictures.name(entry.code, language)})"


def _steps(entry: Entry, language: str) -> str:
    return "\n".join(f"{number}. {step.of(language)}" for number, step in enumerate(entry.steps, 1))
