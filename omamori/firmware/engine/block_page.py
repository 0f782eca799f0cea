"""The page a person sees in place of a web page that was blocked: in Japanese and English, says why and whom to ask.

One plain HTML document without script, picture or link, so that any browser of the last twenty years shows it. Everything
that came from the network is escaped and cut.
"""

from dataclasses import dataclass
from html import escape

from omamori.protocol.vocabulary import Guard

_LONGEST = 300
"""Characters of a URL that are shown."""
_WHY = {
    Guard.IPS: (
        "攻撃またはマルウェアの通信と一致しました。",
        "It matches the traffic of an attack or of malware.",
    ),
    Guard.AV: ("ファイルにウイルスなどの不正プログラムが見つかりました。", "The file contains malware."),
    Guard.WG: (
        "フィッシング、マルウェア配布などの危険なサイトとして登録されています。",
        "The site is listed as dangerous (phishing, malware or fraud).",
    ),
    Guard.UF: (
        "会社の設定により、この種類のサイトは表示できません。",
        "Your company does not allow sites of this category.",
    ),
    Guard.APG: (
        "会社の設定により、このアプリケーションは使えません。",
        "Your company does not allow this application.",
    ),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Whom to ask, as the operator or the customer wrote it; plain text."""

    contact_ja: str = "社内のネットワーク担当者にお問い合わせください。"
    contact_en: str = "Please ask the person who looks after your company's network."


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was blocked and why."""

    guard: Guard
    what: str = ""
    """The URL or site, as far as known."""
    category: str = ""
    reason: str = ""
    """In English, for whoever is asked."""


def page(refusal: Refusal, notice: Notice) -> bytes:
    """The HTML document in UTF-8, at most a few kilobytes."""
    ja, en = _WHY[refusal.guard]
    category = f" [{_shown(refusal.category)}]" if refusal.category else ""
    text = f"""<!doctype html>
<html lang="ja"><head><meta charset="utf-8"><title>ブロックしました / Blocked</title></head>
<body style="font-family:sans-serif;max-width:40em;margin:3em auto;padding:0 1em">
<h1>この通信はブロックされました</h1>
<p>{ja}{category}<br>{_shown(notice.contact_ja)}</p>
<div lang="en"><h1>This page was blocked</h1>
<p>{en}{category}<br>{_shown(notice.contact_en)}</p></div>
<p><code>{_shown(refusal.what)}</code></p>
<p><small>Omamori {refusal.guard.value.upper()}: {_shown(refusal.reason)}</small></p>
</body></html>
"""
    return text.encode("utf-8", "replace")


def response(refusal: Refusal, notice: Notice, *, head_only: bool) -> bytes:
    """The whole HTTP/1.1 response; without its body where HEAD was asked (RFC 9110, 9.3.2)."""
    body = page(refusal, notice)
    head = (
        "HTTP/1.1 403 Forbidden\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        f"X-Omamori-Blocked: {refusal.guard.value}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    return head if head_only else head + body


def _shown(text: str) -> str:
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return escape("".join(each if each.isprintable() else "�" for each in cut))
